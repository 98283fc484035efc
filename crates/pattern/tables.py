#!/usr/bin/python3
"""Writes src/unicode_tables.rs from the character data of the Python that runs it.

The tables are those of Python 3.11 (Unicode 14). Run it as `python3.11 tables.py > src/unicode_tables.rs`.
"""

import re
import sys
import unicodedata

TOP = 0x110000


def ranges(wanted):
    found, start = [], None
    for code in range(TOP + 1):
        inside = code < TOP and not 0xD800 <= code <= 0xDFFF and wanted(chr(code))
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            found.append((start, code - 1))
            start = None
    return found


def simple(code, change):
    """The simple (one to one) case mapping, which is what a one-character fold by `re` uses."""
    return getattr(re._compiler._sre, change)(code)


def lower(code):
    return simple(code, "unicode_tolower")


def upper(code):
    # Where the full mapping has several characters, the C function returns the first.
    return ord(chr(code).upper()[0])


def runs(change):
    """(first, last, step, delta): every step-th character from first to last maps to itself + delta."""
    found = []
    for code in range(TOP):
        if 0xD800 <= code <= 0xDFFF or change(code) == code:
            continue
        delta = change(code) - code
        if found:
            first, last, step, old = found[-1]
            gap = code - last
            if old == delta and gap <= 2 and (step == gap or first == last):
                found[-1] = (first, code, gap, delta)
                continue
        found.append((code, code, 1, delta))
    return found


def rows(items, per_line, show):
    items = list(items)
    for at in range(0, len(items), per_line):
        print("    " + " ".join(show(item) + "," for item in items[at : at + per_line]))


def table_of_ranges(name, doc, wanted):
    found = ranges(wanted)
    print(f"\n/// {doc}")
    print(f"pub(crate) const {name}: [(u32, u32); {len(found)}] = [")
    rows(found, 5, lambda r: f"(0x{r[0]:x}, 0x{r[1]:x})")
    print("];")


def table_of_runs(name, doc, change):
    found = runs(change)
    print(f"\n/// {doc}")
    print("///")
    print("/// `(first, last, step, delta)`: every `step`-th character from `first` to `last` maps to itself plus `delta`.")
    print(f"pub(crate) const {name}: [(u32, u32, u32, i32); {len(found)}] = [")
    rows(found, 4, lambda r: f"(0x{r[0]:x}, 0x{r[1]:x}, {r[2]}, {r[3]})")
    print("];")


def main():
    if unicodedata.unidata_version != "14.0.0":
        sys.exit("the tables are those of Python 3.11, with Unicode 14")
    print("//! Character tables of Python 3.11 (Unicode 14), written by `tables.py`.")
    print("//!")
    print("//! They are Python's own rather than those of a Rust crate because what `\\w` or a case fold means")
    print("//! decides who is banned; a newer Unicode version would be a different decision.")
    print("#![cfg_attr(rustfmt, rustfmt_skip)]")
    table_of_ranges("WORD", "`\\w`: letters, all kinds of numbers, and the underscore.", lambda c: c.isalnum() or c == "_")
    table_of_ranges("DIGIT", "`\\d`: decimal digits of all scripts.", str.isdecimal)
    table_of_ranges("SPACE", "`\\s`: Unicode white space and U+001C to U+001F.", str.isspace)
    table_of_ranges("CASED", "Characters that have another case.", lambda c: re._compiler._sre.unicode_iscased(ord(c)))
    table_of_runs("LOWER", "Simple lower case.", lower)
    table_of_runs("UPPER", "Simple upper case.", upper)
    extra = sorted(re._casefix._EXTRA_CASES.items())
    print("\n/// Lower-case characters that are equal when case is ignored although their lower cases differ.")
    print(f"pub(crate) const EXTRA_CASES: [(u32, &[u32]); {len(extra)}] = [")
    rows(extra, 4, lambda e: f"(0x{e[0]:x}, &[{', '.join(f'0x{k:x}' for k in e[1])}])")
    print("];")


main()
