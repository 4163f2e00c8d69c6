#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The pages that a region reports against those in Valgrind's record of every load and store.

test_lackey.py PROGRAMS: the folder with walks and walks_in_region (tests/programs/walks.c). Each walk runs once under
`valgrind --tool=lackey --trace-mem=yes` and as a region with two windows. The set of (allocation, page in it) must be
the same. Ends with 0 (same), 1 (different) or 77 (no valgrind).
"""
import os
import shutil
import subprocess
import sys
import tempfile

WALKS = ("list", "hash", "sort", "matrix", "strings")
WINDOWS = (8, 64)  # both below each walk's footprint, which is checked
PAGE = 4096


def run(command, **environment):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, timeout=100)
    if done.returncode != 0:
        sys.exit("FAIL: %s ended with %d" % (" ".join(command), done.returncode))
    return done.stdout


class Facts:
    """What a run wrote of itself."""

    def __init__(self, path):
        self.allocations, self.pages = [], []
        with open(path) as lines:
            for word, *values in map(str.split, lines):
                if word == "mark":
                    self.mark = int(values[0], 16)
                elif word == "allocation":
                    self.allocations.append((int(values[0], 16), int(values[1])))
                elif word == "page":
                    self.pages.append((int(values[0], 16), *map(int, values[1:])))

    def name(self, address):
        """(allocation from 0, page in it), or None for memory that is none of the walk's."""
        for ordinal, (start, pages) in enumerate(self.allocations):
            if start <= address < start + pages * PAGE:
                return ordinal, (address - start) // PAGE
        return None


def accesses(log, mark):
    """Pages (by address) accessed between the two stores to `mark`."""
    marks, pages = 0, set()
    prefix = b"%x," % mark
    with open(log, "rb") as lines:
        for line in lines:
            kind = line[:3]
            if kind not in (b" L ", b" S ", b" M "):
                continue  # instructions, and what Valgrind says itself
            if kind == b" S " and line[3:].lstrip(b"0").startswith(prefix):
                marks += 1
            elif marks == 1:
                address, size = line[3:].split(b",")
                first, size = int(address, 16), int(size)
                pages.update(range(first // PAGE, (first + size - 1) // PAGE + 1))
    if marks != 2:
        sys.exit("FAIL: %s: %d stores to the mark" % (log, marks))
    return {page * PAGE for page in pages}


def seen_by_lackey(programs, walk, work):
    log, path = os.path.join(work, "log"), os.path.join(work, "facts")
    output = run(["valgrind", "--tool=lackey", "--trace-mem=yes", "--log-file=" + log,
                  os.path.join(programs, "walks"), walk, path])
    facts = Facts(path)
    names = {facts.name(address) for address in accesses(log, facts.mark)} - {None}
    os.remove(log)
    return names, output, facts


def seen_by_region(programs, walk, work, window):
    """The names by address; those that the report gives itself are compared with them on the way."""
    path = os.path.join(work, "facts")
    output = run([os.path.join(programs, "walks_in_region"), walk, path], VMT_SIZE=str(window), VMT_SCOPE="heap")
    facts = Facts(path)
    names, reported = set(), {}
    for address, allocation, offset, touches in facts.pages:
        name = facts.name(address)
        if name is None:
            continue
        if name in names or touches < 1:
            sys.exit("FAIL: %s: page %s twice, or without a touch" % (walk, name))
        names.add(name)
        if offset != name[1] or reported.setdefault(name[0], allocation) != allocation:
            sys.exit("FAIL: %s: page %d of allocation %d is reported as page %d of %d" %
                     (walk, name[1], name[0], offset, allocation))
    ordinals = [reported[i] for i in sorted(reported)]
    if ordinals != sorted(set(ordinals)) or 0 in ordinals:
        sys.exit("FAIL: %s: allocations are numbered %s" % (walk, ordinals))
    return names, output, facts


def main():
    programs = sys.argv[1]
    if not shutil.which("valgrind"):
        print("SKIP: valgrind is not installed")
        return 77
    failed = 0
    for variable in [name for name in os.environ if name.startswith("VMT_")]:
        del os.environ[variable]
    with tempfile.TemporaryDirectory(prefix="vmt-lackey.") as work:
        for walk in WALKS:
            expected, output, facts = seen_by_lackey(programs, walk, work)
            everything = sum(pages for _, pages in facts.allocations)
            if not max(WINDOWS) < len(expected) < everything:
                print("FAIL: %s: %d pages of %d are no test" % (walk, len(expected), everything))
                failed = 1
            for window in WINDOWS:
                seen, output_in_region, _ = seen_by_region(programs, walk, work, window)
                if output_in_region != output:
                    print("FAIL: %s at %d pages: output %r, not %r" % (walk, window, output_in_region, output))
                    failed = 1
                if seen != expected:
                    print("FAIL: %s at %d pages: not seen %s; seen, but not accessed %s" %
                          (walk, window, sorted(expected - seen), sorted(seen - expected)))
                    failed = 1
                else:
                    print("same: %s at %d pages: %d pages of %d" % (walk, window, len(seen), everything))
    return failed


if __name__ == "__main__":
    sys.exit(main())
