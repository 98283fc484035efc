"""A clock that stands at STOCKADE_CLOCK, in seconds, and names that have the addresses of `Warm::address_of`."""
import datetime
import os
import socket
import time

if "STOCKADE_CLOCK" in os.environ:
    now = float(os.environ["STOCKADE_CLOCK"])
    localtime, gmtime, strftime = time.localtime, time.gmtime, time.strftime

    class Still(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(now, tz)

        @classmethod
        def utcnow(cls):
            return cls.utcfromtimestamp(now)

        @classmethod
        def today(cls):
            return cls.fromtimestamp(now)

    class StillDay(datetime.date):
        @classmethod
        def today(cls):
            return cls.fromtimestamp(now)

    def address_of(name, port=None, family=0, *_):
        number = sum(name.encode())
        if number % 3 == 0 or family not in (0, socket.AF_INET):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = "198.18.%d.%d" % (number >> 8 & 255, number & 255)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    time.time = lambda: now
    time.time_ns = lambda: int(now) * 1_000_000_000
    time.localtime = lambda seconds=None: localtime(now if seconds is None else seconds)
    time.gmtime = lambda seconds=None: gmtime(now if seconds is None else seconds)
    time.strftime = lambda form, tuple=None: strftime(form, time.localtime() if tuple is None else tuple)
    datetime.datetime, datetime.date = Still, StillDay
    socket.getaddrinfo = address_of
