#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A traced program, its catcher or both are killed at random moments: what is left of the trace tells the truth.

test_killed.py PROGRAMS [SEED]: the folder with sweep (tests/programs/sweep.c), which touches pages one after the other
and counts its accesses where we can read them, and transfers (transfers.c). VMTRACE is the command to test. Ends with 0
or 1.
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

VMTRACE = os.environ["VMTRACE"]
PAGE = 4096
PAGES, WINDOW = 500, 16  # each access of the sweep is a touch
ROUNDS = 2000            # of which some hundred pass before the kill
TIMES = 10               # each case
LATEST = 0.9             # seconds after the first access
# Touches of the heap before and after the sweep: the loader, libc's start, stdio.
OTHER_TOUCHES = 50
SECONDS = 60             # a hang


def facts(path):
    """(address of the sweep's pages, accesses begun), zeros before it has begun."""
    try:
        with open(path, "rb") as file:
            return struct.unpack("<QQ", file.read(16))
    except (FileNotFoundError, struct.error):
        return 0, 0


def children(pid):
    """Pids and names of a process's children, the kind that wait() does not see included."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                text = file.read()
        except OSError:
            continue
        command, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if int(rest[1]) == pid:
            found[command] = int(name)
    return found


class Run:
    """The sweep under `vmtrace run`."""

    def __init__(self, programs, work):
        self.trace, self.facts_path = os.path.join(work, "trace"), os.path.join(work, "facts")
        for path in (self.trace, self.facts_path):
            if os.path.exists(path):
                os.remove(path)
        self.process = subprocess.Popen(
            [VMTRACE, "run", "-n", str(WINDOW), "-o", self.trace, "--", os.path.join(programs, "sweep"),
             str(PAGES), str(ROUNDS), self.facts_path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.ends = time.monotonic() + SECONDS
        while facts(self.facts_path)[1] == 0:
            if time.monotonic() > self.ends or self.process.poll() is not None:
                raise AssertionError("the sweep has not begun: %r" % (self.finish(),))
            time.sleep(0.001)
        self.program = children(self.process.pid)["sweep"]
        self.catcher = children(self.program)["vmt-catcher"]

    def finish(self):
        """Status, output and errors of vmtrace."""
        try:
            out, errors = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            for pid in (*children(self.process.pid).values(), self.process.pid):
                os.kill(pid, signal.SIGKILL)
            out, errors = self.process.communicate()
            raise AssertionError("hangs; said %r %r" % (out, errors)) from None
        return self.process.returncode, out, errors.decode()


def check(condition, message, *values):
    if not condition:
        raise AssertionError(message % values)


def pages_in_order(trace, start):
    """Pages of the sweep in the order of the trace, by `vmtrace dump`, and the number of other touches."""
    # A trace that is cut is dumped as far as it goes.
    dump = subprocess.run([VMTRACE, "dump", "--format=hex", trace], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=SECONDS)
    check(dump.returncode == 0, "dump ends with %d: %r", dump.returncode, dump.stderr)
    touches = [int(line, 16) for line in dump.stdout.split()]
    mine = [(touch - start) // PAGE for touch in touches if start <= touch < start + PAGES * PAGE]
    return mine, len(touches) - len(mine)


def check_trace(run, complete):
    """The report's JSON, after what must hold of every trace of the sweep."""
    report = subprocess.run([VMTRACE, "report", "--json", run.trace], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=SECONDS)
    check(report.returncode == 0, "report ends with %d: %r", report.returncode, report.stderr)
    found = json.loads(report.stdout)
    check(found["complete"] is complete, "complete is %s: %s", found["complete"], found["incomplete_reason"])
    check((found["incomplete_reason"] is None) is complete, "the reason is %r", found["incomplete_reason"])
    start, begun = facts(run.facts_path)
    mine, others = pages_in_order(run.trace, start)
    check(found["touches"] == len(mine) + others, "%d touches, of which %d are dumped", found["touches"],
          len(mine) + others)
    check(len(mine) <= begun + PAGES, "%d touches by %d accesses", len(mine), begun) # and the sum at the end
    check(others <= OTHER_TOUCHES, "%d touches of other pages", others)
    check(mine == [i % PAGES for i in range(len(mine))], "the touches are not those of a sweep")
    check(found["footprint_pages"] <= min(PAGES, len(mine)) + others, "footprint of %d pages", found["footprint_pages"])
    check(found["window_pages"] == WINDOW, "window of %d pages", found["window_pages"])
    return found, len(mine), begun


def kill_program(run, output):
    del output
    os.kill(run.program, signal.SIGKILL)
    status, out, _ = run.finish()
    check(status == -signal.SIGKILL, "vmtrace ends with %d", status)
    check(out == b"", "output %r of a killed program", out)
    found, touches, begun = check_trace(run, complete=True)
    check((found["end"], found["end_code"]) == ("signal", signal.SIGKILL), "end is %s %s", found["end"],
          found["end_code"])
    # Killed before or after the fault of its last access.
    check(begun - 1 <= touches <= begun, "%d touches by %d accesses", touches, begun)
    return touches


def kill_catcher(run, output):
    _, before = facts(run.facts_path)
    os.kill(run.catcher, signal.SIGKILL)
    status, out, errors = run.finish()
    check(status == 3 and out == output, "the program goes on to %d, %r", status, out)
    check("not complete" in errors, "vmtrace says %r", errors)
    found, touches, _ = check_trace(run, complete=False)
    check(found["end"] is None, "end is %s", found["end"])
    # Blocks hold some thirty thousand touches, and one or two were not full yet.
    check(touches >= before - 65536, "%d touches left of %d", touches, before)
    return touches


def kill_both(run, output):
    del output
    os.kill(run.catcher, signal.SIGKILL)
    os.kill(run.program, signal.SIGKILL)
    status, out, errors = run.finish()
    check(status == -signal.SIGKILL, "vmtrace ends with %d", status)
    check(out == b"", "output %r of a killed program", out)
    check("not complete" in errors, "vmtrace says %r", errors)
    return check_trace(run, complete=False)[1]


def kill_catcher_in_calls(programs, work, threads, moment):
    """The kernel has met no closed page: what a call was to do is done, whichever moment it was."""
    trace = os.path.join(work, "calls")
    process = subprocess.Popen(
        [VMTRACE, "run", "-q", "-n", "8", "-o", trace, "--", os.path.join(programs, "transfers"), str(threads), "3000"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ends, catcher = time.monotonic() + SECONDS, None
    while catcher is None and process.poll() is None:
        check(time.monotonic() < ends, "transfers has not begun")
        for pid in children(process.pid).values():
            catcher = children(pid).get("vmt-catcher")
    time.sleep(moment)
    try:
        os.kill(catcher, signal.SIGKILL)
    except (ProcessLookupError, TypeError):
        pass # it was over before
    try:
        out, errors = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("hangs") from None
    check(process.returncode == 0 and out == b"0 wrong\n", "ends with %d: %r %r", process.returncode, out[:200], errors)


def main():
    programs = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    moments = random.Random(seed)
    for variable in [name for name in os.environ if name.startswith("VMT_")]:
        del os.environ[variable]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="vmt-killed.") as work:
        native = subprocess.run([os.path.join(programs, "sweep"), str(PAGES), str(ROUNDS), os.path.join(work, "facts")],
                                stdout=subprocess.PIPE, timeout=SECONDS)
        check(native.returncode == 3, "the sweep ends with %d", native.returncode)
        for case in (kill_program, kill_catcher, kill_both):
            touches = []
            for _ in range(TIMES):
                moment = moments.random() * LATEST
                try:
                    run = Run(programs, work)
                    time.sleep(moment)
                    touches.append(case(run, native.stdout))
                except AssertionError as failure:
                    print("FAIL: %s after %.3f s (seed %d): %s" % (case.__name__, moment, seed, failure))
                    failed = 1
            print("%s: %s touches in the traces" % (case.__name__, " ".join(map(str, sorted(touches)))))
        for threads in (1, 4):
            for _ in range(TIMES):
                moment = moments.random() * 0.2 * threads
                try:
                    kill_catcher_in_calls(programs, work, threads, moment)
                except AssertionError as failure:
                    print("FAIL: the catcher of %d threads after %.3f s (seed %d): %s" %
                          (threads, moment, seed, failure))
                    failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
