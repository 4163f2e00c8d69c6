#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The progress of `vmtrace run`: on a terminal, in place, erased at the end, and nowhere else. VMTRACE is the
command."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

VMTRACE = os.environ["VMTRACE"]
ENGINE = os.environ.get("VMT_ENGINE", "ptrace")
TEXT = re.compile(rb"\x1b7\x1b\[(\d+)G\x1b\[K\x1b\[(\d+)G([^\x1b]*)\x1b8")
COUNTS = re.compile(rb"vmtrace: (\d+) touches, footprint (\d+) pages(, (\d+) touches a second)?")

# Touches pages for so many seconds, and so many times, and prints dots without the end of their line. A block of the
# trace has about 32,000 touches.
PROGRAM = """
import sys, time
pages = bytearray(32 << 20)
end = time.monotonic() + float(sys.argv[1])
at = touches = 0
while time.monotonic() < end or touches < int(sys.argv[2]):
    touches += 2000
    for i in range(2000):
        at = (at + 4096 * 7) % len(pages)
        pages[at] = 1
    sys.stdout.write(".")
    sys.stdout.flush()
print("done")
"""


def environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VMT_")}
    return dict(kept, VMT_ENGINE=ENGINE, LC_ALL="C")


def on_terminal(command, columns=80, raw=False, stderr=None):
    """What the command prints on a terminal of its own, and its status. stderr: a file that it goes to instead."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        settings = termios.tcgetattr(0)
        settings[1] &= ~termios.OPOST  # no \r for each \n
        if raw:
            settings[3] &= ~termios.ICANON
        termios.tcsetattr(0, termios.TCSANOW, settings)
        if stderr:
            os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        os.execve(command[0], command, environment())
    output = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # EIO: nobody has it open any more
                break
            if not data:
                break
            output += data
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return output, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def touching(seconds, *options, touches=0):
    return [VMTRACE, "run", *options, "--", sys.executable, "-S", "-c", PROGRAM, str(seconds), str(touches)]


def check(holds, what, seen=None):
    if not holds:
        sys.exit(f"FAIL: {what}{'' if seen is None else f': {seen!r}'}")


def progress_is_shown(trace):
    start = time.monotonic()
    output, status = on_terminal(touching(5, "-n", "16", "-o", trace, touches=150000))
    seconds = time.monotonic() - start
    check(status == 0, "status", status)
    texts = [match.group(3) for match in TEXT.finditer(output)]
    check(2 <= len(texts) <= (seconds - 2) * 4 + 2, "number of texts", (len(texts), seconds))
    check(texts[-1] == b"" and b"" not in texts[:-1], "the text is erased once, at the end", texts)
    counted = [COUNTS.fullmatch(text) for text in texts[:-1]]
    check(all(match or text.startswith(b"vmtrace: tracing, ") for match, text in zip(counted, texts)), "texts", texts)
    counted = [match for match in counted if match]
    check(counted, "a text with counts", texts)
    check(counted[-1].group(4), "a rate", texts)
    touches = [int(match.group(1)) for match in counted]
    footprints = [int(match.group(2)) for match in counted]
    check(touches == sorted(touches) and footprints == sorted(footprints), "counts that grow", texts)
    rest = TEXT.sub(b"", output)
    summary = re.fullmatch(rb"\.+done\nvmtrace: (\d+) touches: .*\nvmtrace: footprint (\d+) pages .*", rest, re.DOTALL)
    check(summary, "the program's output and the counts are as they were", rest)
    check(0 < touches[-1] <= int(summary.group(1)), "no more touches than there were", (touches, summary.group(1)))
    check(0 < footprints[-1] <= int(summary.group(2)), "no larger footprint", (footprints, summary.group(2)))
    check(output.index(b"vmtrace: %s touches:" % summary.group(1)) > output.rindex(b"\x1b8"),
          "erased before the counts")
    # Right-aligned, and the last column is left free: nothing is scrolled.
    for match in TEXT.finditer(output):
        check(int(match.group(2)) + len(match.group(3)) == 80, "the place of the text", match.group(0))


def narrow_terminals_cut_it():
    output, status = on_terminal(touching(2.6), columns=24)
    texts = [match.group(3) for match in TEXT.finditer(output)]
    check(status == 0 and texts and all(len(text) <= 23 for text in texts), "a narrow terminal", texts)


def it_is_nowhere_else(folder):
    error = os.path.join(folder, "stderr")
    output, status = on_terminal(touching(2.6), stderr=error)
    said = open(error, "rb").read()
    check(status == 0 and b"\x1b" not in output + said, "stderr is a file", (output, said))
    check(said.startswith(b"vmtrace: ") and b" touches: " in said, "the counts in a file", said)
    output, status = on_terminal(touching(2.6, "-q"))
    check(status == 0 and re.fullmatch(rb"\.+done\n", output), "-q", output)
    output, status = on_terminal([VMTRACE, "run", "--", "/bin/true"])
    check(status == 0 and b"\x1b" not in output, "a short run", output)
    output, status = on_terminal(touching(2.6), raw=True)
    check(status == 0 and b"\x1b" not in output, "a terminal that the program has for itself", output)
    done = subprocess.run(touching(2.6), env=environment(), capture_output=True, check=True)
    check(b"\x1b" not in done.stdout + done.stderr, "pipes", done)


with tempfile.TemporaryDirectory(prefix="vmt-progress.") as name:
    progress_is_shown(os.path.join(name, "trace"))
    narrow_terminals_cut_it()
    it_is_nowhere_else(name)
print("progress is shown where it should be")
