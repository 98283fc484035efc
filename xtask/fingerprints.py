#!/usr/bin/python3
"""Prints crates/action/src/fingerprints.rs: what the stock actions that need no commands look like, as numbers.

    cargo xtask setup
    python3 xtask/fingerprints.py 1.1.1=target/reference/etc/fail2ban/action.d ours=config/action.d \
        >crates/action/src/fingerprints.rs && cargo fmt -p stockade-action

Each argument is the name of a definition and the action.d it stands in. The reference's client is run on a
configuration that gives every option a mark as its value; what `-d` prints is cut at the marks, and of the text in
between only lengths and a hash are kept. No command text leaves this program.
"""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tempfile

REFERENCE = pathlib.Path(__file__).parent.parent / "target" / "reference"

# The options that the client puts into the commands. Those that differ by family stay tags, and so part of the text.
OPTIONS = [
    "table", "table_family", "chain", "chain_type", "chain_hook", "chain_priority",
    "port", "protocol", "blocktype", "nftables", "addr_options",
]
IPTABLES_OPTIONS = ["name", "chain", "port", "protocol", "returntype", "blocktype"]
IPSET_OPTIONS = ["chain", "port", "protocol", "maxelem", "default-ipsettime", "ipsettime", "blocktype"]
# What is recognised, the action that it is, and what stands for values in its commands. Other files of the same family
# come to the same commands. Beside its commands, properties count that hold a piece of shell.
KINDS = [
    ("Multiport", "nftables[type=multiport,{}]", OPTIONS, []),
    ("Allports", "nftables[type=allports,{}]", OPTIONS, []),
    ("Iptables(Jump::Oneport)", "iptables[type=oneport,{}]", IPTABLES_OPTIONS, []),
    ("Iptables(Jump::New)", "iptables-new[{}]", IPTABLES_OPTIONS, []),
    ("Iptables(Jump::Multiport)", "iptables[type=multiport,{}]", IPTABLES_OPTIONS, []),
    ("Iptables(Jump::Allports)", "iptables[type=allports,{}]", IPTABLES_OPTIONS, []),
    ("Ipset(Jump::Oneport)", "iptables-ipset[type=oneport,{}]", IPSET_OPTIONS, ["timeout-bantime"]),
    ("Ipset(Jump::Multiport)", "iptables-ipset[type=multiport,{}]", IPSET_OPTIONS, ["timeout-bantime"]),
    ("Ipset(Jump::Allports)", "iptables-ipset[type=allports,{}]", IPSET_OPTIONS, ["timeout-bantime"]),
]


def commands(action_d, action, others):
    """The commands that the client would send the server for `action`, by name, and properties of `others`."""
    with tempfile.TemporaryDirectory() as name:
        config = pathlib.Path(name)
        (config / "filter.d").mkdir()
        (config / "action.d").symlink_to(pathlib.Path(action_d).absolute())
        (config / "fail2ban.conf").write_text(
            "[Definition]\nloglevel=INFO\nlogtarget=STDOUT\nsyslogsocket=auto\nsocket=s\npidfile=p\n"
            "dbfile=None\ndbmaxmatches=10\ndbpurgeage=1d\n")
        (config / "filter.d" / "f.conf").write_text("[Definition]\nfailregex = ^x <HOST>\n")
        (config / "x.log").write_text("")
        (config / "jail.conf").write_text(
            f"[j]\nenabled=true\nfilter=f\nbackend=polling\nlogpath={config}/x.log\naction={action}\n")
        run = subprocess.run(
            ["/usr/bin/python3", REFERENCE / "usr/bin/fail2ban-client", "-c", config, "-d"],
            env={**os.environ, "PYTHONPATH": str(REFERENCE / "usr/lib/python3/dist-packages")},
            check=True, capture_output=True, text=True)
    for line in run.stdout.splitlines():
        command = ast.literal_eval(line)
        if command[0] == "multi-set":
            return {name: text for name, text in command[-1] if name.startswith("action") or name in others}
    raise SystemExit(f"{action}: no such action in {action_d}")


def fnv(pieces):
    """FNV-1a of 128 bits over the pieces, each closed by a byte that no text contains."""
    value = 0x6C62272E07BB014262B821756295C58D
    for byte in b"".join(piece.encode() + b"\xff" for piece in pieces):
        value = (value ^ byte) * 0x0000000001000000000000000000013B % 2**128
    return value


def main():
    print("//! What stock actions look like: the lengths of their texts, the options between, and a hash.")
    print("//!")
    print("//! Made by `xtask/fingerprints.py`, which says how.")
    print()
    print("use crate::native::{Command, Fingerprint, Jump, Kind};")
    print()
    print("pub(crate) const FINGERPRINTS: &[Fingerprint] = &[")
    for argument in sys.argv[1:]:
        definition, action_d = argument.split("=", 1)
        for kind, action, options, others in KINDS:
            if not (pathlib.Path(action_d) / (re.split(r"\[", action)[0] + ".conf")).exists():
                continue
            marks = {option: "Zq" + re.sub("[-_]", "", option) + "qZ" for option in options}
            by_mark = {mark: option for option, mark in marks.items()}
            given = ",".join(f"{option}={mark}" for option, mark in marks.items())
            print(f"    // {definition}")
            print(f"    Fingerprint {{ kind: Kind::{kind}, commands: &[")
            for name, text in sorted(commands(action_d, action.format(given), others).items()):
                if name in ("actname",):
                    continue
                pieces = re.split("(" + "|".join(by_mark) + ")", text)
                layout = " ".join(by_mark.get(piece, str(len(piece.encode()))) for piece in pieces)
                print(f"        Command {{ name: \"{name}\", layout: \"{layout}\", hash: {fnv(pieces[::2]):#034x} }},")
            print("    ] },")
    print("];")


main()
