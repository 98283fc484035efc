"""Runs the reference's fail2ban-regex many times without starting an interpreter for each.

In: its path as the argument; requests as JSON, one a line. Out: what each run printed, as JSON, one a line.
A run that has to be alone is a process forked from this one, so that it does not see what another has left behind.
"""

import io
import json
import logging
import os
import sys
import tempfile
import time

PROGRAM = sys.argv[1]
with open(PROGRAM, encoding="utf-8") as source:
    CODE = compile(source.read(), PROGRAM, "exec")


def run(arguments):
    sys.argv = [PROGRAM, *arguments]
    try:
        exec(CODE, {"__name__": "__main__", "__file__": PROGRAM})
    except SystemExit:
        pass


def here(work):
    kept, sys.stdout = sys.stdout, io.StringIO()
    try:
        work()
    except Exception:
        # The program has ended early; what it had printed by then is its answer.
        pass
    finally:
        printed, sys.stdout = sys.stdout.getvalue(), kept
        for name in (None, "fail2ban"):
            logging.getLogger(name).handlers.clear()
    return printed


def forked(work):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(write, 1)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        try:
            work()
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(write)
    with open(read, "rb") as output:
        printed = output.read()
    os.waitpid(child, 0)
    return printed.decode("utf-8", "replace")


def main():
    directory = tempfile.TemporaryDirectory()
    log = os.path.join(directory.name, "log")
    open(log, "w").close()
    # Whatever is made once, such as the expressions of the default formats, is made here.
    null = os.open(os.devnull, os.O_WRONLY)
    kept = os.dup(1)
    os.dup2(null, 1)
    run(["--raw", "-o", "row", log, "(?s)^(?P<fid>.*)$"])
    sys.stdout.flush()
    os.dup2(kept, 1)
    for request in sys.stdin:
        request = json.loads(request)
        with open(log, "w", encoding="utf-8", newline="") as file:
            file.write("".join(line + "\n" for line in request["lines"]))

        def work():
            os.environ["TZ"] = request["zone"]
            time.tzset()
            run([*request["arguments"], log, "(?s)^(?P<fid>.*)$"])

        printed = forked(work) if request["alone"] else here(work)
        sys.__stdout__.write(json.dumps(printed) + "\n")
        sys.__stdout__.flush()


main()
