"""Calls a Python program many times without starting the interpreter anew: the program is imported once, and a
child that is forked for each call runs it as its own entry would.

Arguments: the program. Standard input: calls, each a directory and words. Standard output: for each call its exit
status, standard output and standard error. Texts are netstrings: their length in decimal, a colon, the bytes.
"""
import importlib
import os
import resource
import runpy
import sys

program = sys.argv[1]
seconds = int(os.environ.get("STOCKADE_SECONDS", 60))
requests = os.fdopen(os.dup(0), "rb")
answers = os.fdopen(os.dup(1), "wb")
nothing = os.open(os.devnull, os.O_RDWR)
os.dup2(nothing, 0)
os.dup2(nothing, 1)
sys.argv = [program]
said = os.dup(2)
os.dup2(nothing, 2)
try:
    runpy.run_path(program, run_name="warm")
except SystemExit:
    # Some do their work whatever they are called, and find that they have been told nothing.
    pass
sys.stdout.flush()
sys.stderr.flush()
os.dup2(said, 2)
os.close(said)


def read():
    length = b""
    while (byte := requests.read(1)) != b":":
        if not byte:
            sys.exit()
        length += byte
    return requests.read(int(length))


def write(text):
    answers.write(b"%d:%s" % (len(text), text))


def run(directory, words, out, err, modules):
    os.dup2(out, 1)
    os.dup2(err, 2)
    # What never ends by itself ends here.
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    status = 0
    try:
        os.chdir(directory)
        sys.argv = [program, *words]
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        status = end.code
        if status is None:
            status = 0
        elif not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os.write(modules, " ".join(sys.modules).encode())
    os._exit(status & 255)


def everything(file):
    size = os.lseek(file, 0, os.SEEK_END)
    text = os.pread(file, size, 0)
    os.close(file)
    return text


while True:
    directory = read()
    words = [os.fsdecode(read()) for _ in range(int(read()))]
    out, err, modules = (os.memfd_create(name) for name in ("out", "err", "modules"))
    child = os.fork()
    if child == 0:
        run(directory, words, out, err, modules)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    write(b"%d" % status)
    write(everything(out))
    write(everything(err))
    answers.flush()
    # What one call has needed is there for the next.
    for module in everything(modules).decode().split():
        if module not in sys.modules:
            importlib.import_module(module)
