# SPDX-License-Identifier: MIT
"""Dicts, files, JSON and child processes."""
import json
import os
import subprocess
import sys

counts = {}
for i in range(2000):
    key = "key %d" % (i * 31 % 500)
    counts[key] = counts.get(key, 0) + i
for key in sorted(counts)[:5]:
    print(key, counts[key])

with open("numbers.txt", "w") as out:
    for i in range(1000):
        out.write("%d %s\n" % (i, "x" * (i % 17)))
with open("numbers.txt") as lines:
    print(sum(len(line) for line in lines))
os.rename("numbers.txt", "renamed.txt")
print(os.stat("renamed.txt").st_size, sorted(os.listdir(".")))

text = json.dumps({"counts": counts, "nested": [[i, str(i)] for i in range(100)]}, sort_keys=True)
print(len(text), json.loads(text) == {"counts": counts, "nested": [[i, str(i)] for i in range(100)]})

child = subprocess.run(["sort", "-r"], input="a\nc\nb\n", stdout=subprocess.PIPE, universal_newlines=True)
print(child.returncode, child.stdout.split())
child = subprocess.run("echo to the error stream >&2; exit 3", shell=True)
print(child.returncode)
child = os.fork()
if child == 0:
    counts.clear()
    os._exit(len(counts) + 7)
print(os.WEXITSTATUS(os.waitpid(child, 0)[1]), len(counts))

try:
    open("no such file")
except OSError as error:
    print(error, file=sys.stderr)
sys.exit(4)
