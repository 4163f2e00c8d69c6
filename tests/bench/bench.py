#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the harness costs, beside the floors of its mechanisms and beside other tools, in one run.

Rounds are interleaved: each runs everything once, so that what drifts on the machine drifts for all. A row's figure is
the median over the rounds; a ratio is the median of the ratios within each round. README.md has the command that
starts it.
"""
import argparse
import datetime
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import plot
import rows
import show
from figures import Table, lower_quartile, missing

JOB_SECONDS = 120  # longer is a hang
SPARE_PAGES = 128  # of the largest window: programs have more mappings than the one that looks for it


class Failed(Exception):
    """A job has no figure; the text says why."""


def first_line(text, otherwise):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else otherwise


def environment_of(job):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VMT_")}
    environment.update(job.environment)
    if job.engine:
        environment["VMT_ENGINE"] = job.engine
    return environment


def spawn_and_wait(job, output, errors):
    """Runs it once; returns (seconds, wait status, was it killed for its time)."""
    files = [(os.POSIX_SPAWN_OPEN, 0, job.stdin, os.O_RDONLY, 0),
             (os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, errors, 2)]
    killed = threading.Event()
    start = time.perf_counter()
    pid = os.posix_spawnp(job.argv[0], job.argv, environment_of(job), file_actions=files)

    def kill():
        killed.set()
        os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(JOB_SECONDS, kill)
    timer.start()
    _, status = os.waitpid(pid, 0)
    seconds = time.perf_counter() - start
    timer.cancel()
    return seconds, status, killed.is_set()


def run(job, cpus):
    """Returns {key: (figure, mean or None) or reason}."""
    if not shutil.which(job.argv[0]):
        raise Failed(f"{job.argv[0]} is not installed")
    allowed = os.sched_getaffinity(0)
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        target = os.open(os.devnull, os.O_WRONLY) if job.timed else output.fileno()
        os.sched_setaffinity(0, cpus)
        try:
            seconds, status, killed = spawn_and_wait(job, target, errors.fileno())
        except OSError as error:
            raise Failed(f"{job.argv[0]} cannot be started: {error.strerror}") from error
        finally:
            os.sched_setaffinity(0, allowed)
            if job.timed:
                os.close(target)
        errors.seek(0)
        complaint = errors.read().decode(errors="replace")
        output.seek(0)
        printed = output.read().decode(errors="replace")
    name = os.path.basename(job.argv[0])
    if killed:
        raise Failed(f"{name} was killed after {JOB_SECONDS} s")
    if status:
        code = os.waitstatus_to_exitcode(status)
        raise Failed(first_line(complaint, f"{name} ended with status {code}" if code >= 0 else
                                f"{name} died of signal {-code}"))
    if job.timed:
        return {"time": (seconds * 1000, None)}
    figures = {}
    for line in printed.splitlines():
        key, figure, rest = line.split(" ", 2)
        figures[key] = rest if figure == "-" else (float(figure), float(rest))
    return figures


def run_several(job, cpus):
    """As run(), of the job's runs in a round."""
    runs = [run(job, cpus) for _ in range(job.repeat)]
    together = {}
    for key in runs[0]:
        figures = [one[key] for one in runs if isinstance(one.get(key), tuple)]
        means = [mean for _, mean in figures if mean is not None]
        if figures:
            quartile = lower_quartile([figure for figure, _ in figures])
            together[key] = (quartile, statistics.fmean(means) if means else None)
        else:
            together[key] = runs[0][key]
    return together


def available_memory():
    """Bytes: of the machine, or of the control group if that has less."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as most, \
                open("/sys/fs/cgroup/memory.current", encoding="ascii") as used:
            free = min(free, int(most.read()) - int(used.read()))
    except (OSError, ValueError):  # no such file in the root group; "max"
        pass
    return free


class Context:
    """What the rows depend on."""

    def __init__(self, arguments, scratch):
        self.short = arguments.short
        self.programs = os.path.abspath(arguments.programs)
        self.vmtrace = os.path.abspath(arguments.vmtrace)
        self.scratch = scratch
        self.has_libsigsegv = os.path.exists(f"{self.programs}/libsigsegv_faults")
        self.engines = {engine: self.try_engine(engine) for engine in rows.ENGINES}
        self.widest, self.limit = self.find_window()

    def try_engine(self, engine):
        """Why it is not available; "" if it is."""
        try:
            run(rows.Job([f"{self.programs}/regions", "pairs", "0", "1"], {}, engine=engine), os.sched_getaffinity(0))
        except Failed as error:
            return str(error)
        return ""

    def find_window(self):
        for engine in (engine for engine, reason in self.engines.items() if not reason):
            figures = run(rows.Job([f"{self.programs}/faults", "window"], {}, engine=engine), os.sched_getaffinity(0))
            largest = int(figures["window"][0]) - SPARE_PAGES
            if largest >= rows.WIDEST:
                return rows.WIDEST, ""
            with open("/proc/sys/vm/max_map_count", encoding="ascii") as file:
                most = int(file.read())
            return largest, f"N = max is {largest:,}, not {rows.WIDEST:,}: vm.max_map_count is {most:,}"
        return 1024, "N = max is 1,024: there is no engine to ask for more"


def machine():
    model = "unknown CPU"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "load_before": os.getloadavg()[0]}


def measure(plan, table, context, arguments):
    """Runs the rounds; returns how many."""
    started = time.monotonic()
    end = started + arguments.minutes * 60
    cpus = sorted(os.sched_getaffinity(0))
    dead = {}  # jobs that failed in the first round are not tried again
    seconds = [0.0] * len(plan.jobs)
    for index in range(arguments.rounds):
        began = time.monotonic()
        if index and began + sum(s for s, job in zip(seconds, plan.jobs) if index < job.rounds) > end:
            print(f"{index} of {arguments.rounds} rounds: more do not fit into {arguments.minutes:g} minutes",
                  file=sys.stderr)
            return index
        for number, job in enumerate(plan.jobs):
            if index >= job.rounds or number in dead:
                continue
            start = time.monotonic()
            try:
                refuse(job, context, end)
                figures = run_several(job, {cpus[index % len(cpus)]} if job.bound else set(cpus))
            except Failed as error:
                dead[number] = str(error)
                figures = {key: str(error) for key in job.rows}
            for key, row in job.rows.items():
                if isinstance(figures.get(key), tuple):
                    table.note(row, index, *figures[key])
                elif key in figures:
                    table.refuse(row, figures[key])
            seconds[number] = time.monotonic() - start
            if arguments.verbose:
                print(f"{seconds[number]:6.1f} s  {job.engine}  {' '.join(job.argv)}", file=sys.stderr)
        table.derive(index)
        print(f"round {index + 1}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return arguments.rounds


def refuse(job, context, end):
    """Raises Failed if the job cannot be had at all."""
    if context.engines.get(job.engine):
        raise Failed(f"not available: {context.engines[job.engine]}")
    if time.monotonic() > end:
        raise Failed("not begun, for the time was over")
    if job.memory and job.memory > available_memory():
        raise Failed(f"needs {job.memory / rows.GIB:.1f} GiB of memory; {available_memory() / rows.GIB:.1f} are free")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="folder with the programs of the bench")
    parser.add_argument("--vmtrace", required=True, help="the command vmtrace")
    parser.add_argument("--out", help="folder for bench.json and bench.svg; without it they are dropped")
    parser.add_argument("--rounds", type=int, default=None, help="at most so many (default 5; short form 1)")
    parser.add_argument("--minutes", type=float, default=9.0, help="no round is begun that would end later (default 9)")
    parser.add_argument("--short", action="store_true", help="seconds: only to see that every row is produced")
    parser.add_argument("--check", action="store_true", help="end with 1 if a row has neither a figure nor a reason")
    parser.add_argument("--verbose", action="store_true", help="print each command as it ends")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (1 if arguments.short else 5)
    return arguments


def write(document, folder):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/bench.json", "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    with open(f"{folder}/bench.svg", "w", encoding="utf-8") as file:
        file.write(plot.svg(document))


def main():
    arguments = parse_arguments()
    started = time.monotonic()
    facts = machine()
    with tempfile.TemporaryDirectory(prefix="vmtrace-bench.") as scratch:
        context = Context(arguments, scratch)
        plan = rows.make_plan(context)
        table = Table(plan.rows)
        for names, reason in plan.refused:
            for name in names:
                table.refuse(name, reason)
        done = measure(plan, table, context, arguments)
        results = [table.result(row) for row in table]
        document = {"version": 1, "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                    "short": arguments.short, "rounds": done, "seconds": round(time.monotonic() - started, 1),
                    "machine": facts | {"load_after": os.getloadavg()[0]}, "rows": results}
        print(show.table(document), end="")
        write(document, arguments.out or scratch)
    if arguments.out:
        print(f"\nwritten: {arguments.out}/bench.json, {arguments.out}/bench.svg")
    absent = missing(results)
    if arguments.check and absent:
        print("rows with neither a figure nor a reason: " + ", ".join(absent), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
