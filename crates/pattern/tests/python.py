"""Answers for tests/python.rs: what Python's `re` makes of a pattern and some texts.

One JSON object a line in, one out. Positions are byte offsets into the UTF-8 of the text.
"""

import json
import re
import signal
import sys
import warnings

warnings.simplefilter("ignore")


class TooLong(Exception):
    pass


def give_up(*_):
    raise TooLong()


signal.signal(signal.SIGALRM, give_up)


def byte_offset(text, position):
    return -1 if position < 0 else len(text[:position].encode())


def spans(pattern, text, start):
    match = pattern.search(text, len(text.encode()[:start].decode()))
    if match is None:
        return None
    return [[byte_offset(text, at) for at in match.span(group)] for group in range(pattern.groups + 1)]


def answer(request):
    flags = (re.M if request["multiline"] else 0) | (re.I if request["ignore_case"] else 0)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        pattern = re.compile(request["pattern"], flags)
        names = [[name, number] for name, number in pattern.groupindex.items()]
        found = [spans(pattern, text, start) for text, start in request["texts"]]
        return {"names": names, "found": found}
    except (TooLong, RecursionError, MemoryError, SystemError):  # SystemError: a bug of `re` with atomic groups
        return {"skip": True}
    except (re.error, OverflowError, ValueError) as error:
        return {"error": str(error)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def classes():
    """The tables: everything that a class or ignoring case decides for one character."""
    out = {}
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    for name in ["\\w", "\\d", "\\s"]:
        accepts = re.compile(name).match
        out[name] = [ord(c) for c in every if accepts(c)]
    return out


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(classes() if "classes" in request else answer(request)), flush=True)
