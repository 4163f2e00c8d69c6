# SPDX-License-Identifier: MIT
"""What is measured: the rows, and the jobs that produce them, in the order in which each round runs them."""
import dataclasses
import shutil

import workloads
from figures import Floor, Row, Target

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
ENGINES = ("ptrace", "dispatch")
SIZES = {"1 MiB": MIB, "16 MiB": 16 * MIB, "64 MiB": 64 * MIB, "1 GiB": GIB, "4 GiB": 4 * GIB}
# Memory beside the heap: orders of accesses, the manager's own.
SPARE = 200 * MIB
WIDEST = 65536
# size of the heap, window (None: the widest), patterns
FAULTS = (
    ("16 MiB", 8, ("sequential", "random")),
    ("16 MiB", 64, ("sequential", "random", "zipf")),
    ("16 MiB", 1024, ("sequential", "random")),
    ("1 MiB", 64, ("sequential", "random")),
    ("1 GiB", 64, ("sequential", "random")),
    ("4 GiB", 64, ("sequential", "random")),
    ("1 GiB", None, ("sequential", "random", "zipf")),
)
# ... of these also with so many pages that leave the window at once
MERGED_FAULTS = FAULTS[1], FAULTS[2], FAULTS[4]
EVICT = 16
MECHANISMS = {
    "dispatch": "through dispatch, nobody tracing",
    "sigsys": "SIGSYS of dispatch past a tracer",
    "trampoline": "SIGSYS swallowed, trampoline",
    "seccomp": "one stop, SECCOMP_RET_TRACE",
    "syscall": "two stops, PTRACE_SYSCALL",
}
PTRACE_MECHANISMS = ("sigsys", "trampoline", "seccomp", "syscall")
CALLS = {
    "getppid": "getppid",
    "read64.untracked": "read 64 bytes, not tracked",
    "read64.open": "read 64 bytes, open page",
    "read64.closed": "read 64 bytes, closed page",
    "read1m.untracked": "read 1 MiB, not tracked",
    "read1m.closed": "read 1 MiB, 256 closed pages",
    "sendmsg.untracked": "sendmsg of 2 buffers, not tracked",
    "sendmsg.open": "sendmsg of 2 buffers, open pages",
    "sendmsg.closed": "sendmsg of 2 buffers, closed pages",
}
WALKED = {"read64.closed": 1, "read1m.closed": 256, "sendmsg.closed": 2}  # faults that the walk stands for


@dataclasses.dataclass
class Job:
    """A command that prints figures, or (`timed`) whose run is the figure, in milliseconds."""

    argv: list
    rows: dict  # key that it prints -> id of the row; for a timed job "time" -> id
    engine: str = ""
    timed: bool = False
    rounds: int = 1000  # at most so many
    bound: bool = True  # to one CPU, another in each round
    memory: int = 0  # bytes that must be available
    stdin: str = "/dev/null"
    environment: dict = dataclasses.field(default_factory=dict)
    scale: float = 1.0
    repeat: int = 1  # runs in a round; their lower quartile is the round's figure


@dataclasses.dataclass
class Plan:
    """All rows and jobs; those left out have their reason in `refused`: (ids, reason)."""

    rows: list = dataclasses.field(default_factory=list)
    jobs: list = dataclasses.field(default_factory=list)
    refused: list = dataclasses.field(default_factory=list)


def stop_floor(engine):
    return "stopped" if engine == "ptrace" else "untraced"


class Builder:
    """Assembles a plan; bench.py's Context says what it depends on."""

    def __init__(self, context):
        self.context = context
        self.plan = Plan()

    def row(self, *arguments, **options):
        row = Row(*arguments, **options)
        self.plan.rows.append(row)
        return row

    def program(self, name, *arguments):
        return [f"{self.context.programs}/{name}", *map(str, arguments)]

    def count(self, full):
        return max(full // 16, 256) if self.context.short else full

    def repeat(self, full):
        return 1 if self.context.short else full

    def job(self, argv, rows, memory=0, **options):
        """A job, unless it is too large for the short form."""
        if self.context.short and memory > 128 * MIB:
            self.plan.refused.append((list(rows.values()), "left out of the short form"))
        elif memory:
            self.plan.jobs.append(Job(argv, rows, memory=memory + SPARE, **options))
        else:
            self.plan.jobs.append(Job(argv, rows, **options))

    # ------------------------------------------------------------ faults

    def faults(self):
        for size, window, patterns in FAULTS:
            self.faults_at(size, window, patterns)

    def faults_at(self, size, window, patterns):
        pages = window or self.context.widest
        label = f"N = {pages}" if window else "N = max"
        note = "" if window else self.context.limit
        count = self.count(8192)
        rounds = 3 if SIZES[size] >= 4 * GIB else 1000
        repeat = self.repeat(3 if SIZES[size] <= 16 * MIB else 1)

        def ids(kind):
            return {p: f"{kind}.fault.{p}.{size.replace(' ', '')}.{window or 'max'}" for p in patterns}

        for kind, text in (("untraced", "SIGSEGV + 2 mprotect, untraced"),
                           ("stopped", "one stop, the smallest helper")):
            for pattern, row in ids(kind).items():
                self.row(row, f"floor of a fault: {text}", f"{pattern}, {size}, {label}", "us", note=note)
            self.job(self.program("floor_faults", kind, SIZES[size], pages, count, *patterns), ids(kind), rounds=rounds,
                     repeat=repeat, memory=SIZES[size])
        for engine in ENGINES:
            for pattern, row in ids(engine).items():
                target = None
                if engine == "ptrace":
                    target = Target("a fault", 1.2)
                elif pattern == "random":
                    target = Target("a fault, random", 1.15)
                kind = stop_floor(engine)
                floor = Floor("one stop" if kind == "stopped" else "untraced", ((1, ids(kind)[pattern]),))
                self.row(row, "a fault", f"{pattern}, {size}, {label}", "us", engine, floor, target, note)
            self.job(self.program("faults", "time", SIZES[size], pages, count, *patterns), ids(engine), engine=engine,
                     rounds=rounds, repeat=repeat, memory=SIZES[size])
        if (size, window, patterns) in MERGED_FAULTS:
            merged = {p: f"dispatch.fault.{p}.{size.replace(' ', '')}.{window}.merged"
                      for p in ("sequential", "random")}
            for pattern, row in merged.items():
                target = Target("a fault, sequential, merged", 1) if pattern == "sequential" else None
                self.row(row, "a fault", f"{pattern}, {size}, {label}, {EVICT} leave", "us", "dispatch",
                         Floor("untraced", ((1, ids("untraced")[pattern]),)), target)
            self.job(self.program("faults", "time", SIZES[size], pages, count, *merged), merged, engine="dispatch",
                     rounds=rounds, repeat=repeat, memory=SIZES[size], environment={"VMT_EVICT": str(EVICT)})

    def threads(self):
        numbers = ("1", "2", "4", "8")
        for engine in ENGINES:
            for n in numbers:
                floor = Floor("1 thread", ((1, f"{engine}.threads.1"),)) if n != "1" else None
                name = "1 thread" if n == "1" else f"{n} threads"
                self.row(f"{engine}.threads.{n}", "faults a second in all", name, "/s", engine, floor,
                         Target("faults a second of 8 threads", 1, at_least=True) if n == "8" else None)
            self.job(self.program("faults", "threads", 16 * MIB, 64, self.count(4096), *numbers),
                     {n: f"{engine}.threads.{n}" for n in numbers}, engine=engine, bound=False)

    # ------------------------------------------------------------ calls

    def calls(self):
        for mechanism, text in MECHANISMS.items():
            self.row(f"floor.call.{mechanism}", "floor of a system call (getppid)", text, "us")
            self.job(self.program("floor_calls", mechanism, self.count(8192)), {mechanism: f"floor.call.{mechanism}"},
                     repeat=self.repeat(3))
        self.row("floor.call.cheapest", "floor of a system call (getppid)", "the cheapest that ptrace has", "us",
                 derive=min, inputs=tuple(f"floor.call.{name}" for name in PTRACE_MECHANISMS))
        count = self.count(4096)
        for key, text in CALLS.items():
            self.row(f"native.{key}", "native", text, "us")
        self.job(self.program("calls", count), {key: f"native.{key}" for key in CALLS}, repeat=self.repeat(3))
        for engine in ENGINES:
            for key, text in CALLS.items():
                floor, target = self.floor_of_call(engine, key)
                self.row(f"{engine}.{key}", "a system call", text, "us", engine, floor, target)
            if engine == "ptrace":
                self.row(f"{engine}.getppid.stops", "a system call", "getppid, by the floor of two stops", "x", engine,
                         derive=lambda ours, floor: ours / floor, inputs=(f"{engine}.getppid", "floor.call.syscall"))
            self.job(self.program("calls_traced", count), {key: f"{engine}.{key}" for key in CALLS}, engine=engine,
                     repeat=self.repeat(3))

    @staticmethod
    def floor_of_call(engine, key):
        title = "a call that needs no walk"
        if key == "getppid":
            if engine == "ptrace":
                floor = Floor("cheapest", ((1, "floor.call.cheapest"),), text="cheapest ptrace floor")
                return floor, Target(title, 1.2)
            return Floor("dispatch", ((1, "floor.call.dispatch"),), text="dispatch floor"), Target(title, 1.5)
        if key in WALKED:
            kind, faults = stop_floor(engine), WALKED[key]
            pattern = "sequential" if key == "read1m.closed" else "random"
            terms = ((2, f"{engine}.{key.split('.')[0]}.untracked"), (faults, f"{kind}.fault.{pattern}.16MiB.64"))
            floor = Floor("its limit", terms, text="2 x unwalked + faults' floor")
            return floor, Target("a call that needs a walk", 1) if engine == "ptrace" else None
        return Floor("native", ((1, f"native.{key}"),)), None

    # ------------------------------------------------------------ regions and memory

    def regions(self):
        big, small = GIB, MIB
        for key, text in (("close", "mprotect that closes 1 GiB"), ("open", "mprotect that opens 1 GiB"),
                          ("pair", "both"), ("fork", "fork with 1 GiB"), ("vfork", "vfork with 1 GiB"),
                          ("helper", "smallest helper started, 1 GiB")):
            self.row(f"floor.memory.{key}.1GiB", "floors of a region", text, "us")
        self.row("floor.memory.pair.1MiB", "floors of a region", "mprotect that closes + opens 1 MiB", "us")
        keys = ("close", "open", "pair", "fork", "vfork", "helper")
        self.job(self.program("floor_memory", big, 5), {key: f"floor.memory.{key}.1GiB" for key in keys}, memory=big)
        self.job(self.program("floor_memory", small, 50), {"pair": "floor.memory.pair.1MiB"})
        for engine in ENGINES:
            self.regions_of(engine, big, small)

    def regions_of(self, engine, big, small):
        group = "vmt_begin + vmt_end"
        floor = Floor("helper", ((1, "floor.memory.helper.1GiB"),))
        self.row(f"{engine}.first.empty", group, "empty heap, first region of a process", "us", engine)
        self.row(f"{engine}.pair.empty", group, "empty heap, one of 200 regions", "us", engine)
        self.row(f"{engine}.pair.1MiB", group, "1 MiB heap, one of 200 regions", "us", engine,
                 Floor("0.5 ms", (), 500), Target("each of 200 regions, 1 MiB heap", 1))
        self.row(f"{engine}.first.1GiB", group, "1 GiB heap, first region of a process", "us", engine)
        limit = Floor("its limit", ((1.2, "floor.memory.pair.1GiB"),), 300, "1.2 x (close + open) + 0.3 ms")
        self.row(f"{engine}.pair.1GiB", group, "1 GiB heap, later ones", "us", engine, limit,
                 Target("vmt_begin + vmt_end, 1 GiB heap", 1))
        self.row(f"{engine}.pair.1GiB.mprotect", group, "1 GiB heap, later ones, by close + open", "x", engine,
                 derive=lambda ours, floor: ours / floor, inputs=(f"{engine}.pair.1GiB", "floor.memory.pair.1GiB"))
        self.row(f"{engine}.start.1GiB", group, "vmt_begin, first, 1 GiB heap left open", "us", engine,
                 Floor("1 ms", (), 1000), Target("start of the helper, 1 GiB heap", 1))
        self.row(f"{engine}.start.1GiB.helper", group, "the same by the smallest helper's start", "x", engine,
                 derive=lambda ours, floor: ours / floor, inputs=(f"{engine}.start.1GiB", floor.terms[0][1]))
        several = self.count(200) if not self.context.short else 20
        self.job(self.program("regions", "pairs", 0, several),
                 {"first": f"{engine}.first.empty", "pair": f"{engine}.pair.empty"}, engine=engine)
        self.job(self.program("regions", "pairs", small, several), {"pair": f"{engine}.pair.1MiB"}, engine=engine)
        self.job(self.program("regions", "pairs", big, 5),
                 {"first": f"{engine}.first.1GiB", "pair": f"{engine}.pair.1GiB"}, engine=engine, memory=big)
        self.job(self.program("regions", "start", big), {"start": f"{engine}.start.1GiB"}, engine=engine, memory=big)

    def memory(self):
        touched, few, many = (8, 1, 16) if self.context.short else (256, 16, 1024)  # MiB
        for engine in ENGINES:
            trace = f"{self.context.scratch}/memory.vmt"
            self.row(f"{engine}.memory.touched", "memory of the harness", "bytes a page touched", "B", engine,
                     Floor("96 bytes", (), 96), Target("memory, a page touched", 1))
            for mib in (few, many):
                self.row(f"{engine}.resident.{'few' if mib == few else 'many'}", "memory of the harness",
                         f"process without its {mib} MiB heap", "B", engine)
            # Resident memory comes in pages: the difference of two sizes of heap, and half a byte is nothing.
            self.row(f"{engine}.memory.untouched", "memory of the harness", "bytes a page never touched", "B", engine,
                     Floor("0.5 bytes", (), 0.5, "0.5 bytes (none, rounded)"),
                     Target("memory, a page never touched", 1),
                     derive=lambda a, b, pages=(many - few) * MIB / 4096: (b - a) / pages,
                     inputs=(f"{engine}.resident.few", f"{engine}.resident.many"))
            self.job(self.program("regions", "memory", touched * MIB, touched * MIB // 4096, trace),
                     {"touched": f"{engine}.memory.touched"}, engine=engine, rounds=3, memory=touched * MIB)
            for mib, name in ((few, "few"), (many, "many")):
                self.job(self.program("regions", "memory", mib * MIB, 0, trace),
                         {"untouched": f"{engine}.resident.{name}"}, engine=engine, rounds=3,
                         memory=mib * MIB)

    # ------------------------------------------------------------ code that should cost nothing

    def loops(self):
        count = self.count(1 << 20)
        for key, text in (("pair64", "malloc + free, 64 bytes at once"), ("mixed", "malloc + free, 1,000 live blocks")):
            self.row(f"native.{key}", "native", text, "ns")
        self.job(self.program("loops", count), {key: f"native.{key}" for key in ("pair64", "mixed")},
                 repeat=self.repeat(3))
        for engine in ENGINES:
            group = "code that should cost nothing"
            for key, text in (("pair64", "64 bytes"), ("mixed", "1,000 live")):
                native = Floor("native", ((1, f"native.{key}"),))
                self.row(f"{engine}.{key}", group, f"no region: malloc + free, {text}", "ns", engine, native,
                         Target("malloc + free, no region", 1.05))
                self.row(f"{engine}.{key}.inside", group, f"inside: malloc + free, {text}", "ns", engine, native,
                         Target("malloc + free, inside", 1.5))
            self.row(f"{engine}.open.outside", group, "no region: a loop over 32 pages, a page", "ns", engine)
            self.row(f"{engine}.open.inside", group, "inside: a loop over 32 pages, a page", "ns", engine,
                     Floor("no region", ((1, f"{engine}.open.outside"),)), Target("an open page", 1.02))
            self.job(self.program("loops_traced", count),
                     {key: f"{engine}.{key}" for key in ("pair64", "mixed", "pair64.inside", "mixed.inside",
                                                        "open.outside", "open.inside")}, engine=engine,
                     repeat=self.repeat(3))

    # ------------------------------------------------------------ the trace

    def trace(self):
        patterns = ("sequential", "random", "zipf")
        few = Floor("4 bytes", (), 4)
        none = Floor("0.001", (), 0.001, "0.001 (blocks beside the path)")
        for engine in ENGINES:
            keys = {}
            for pattern in patterns:
                for key, text, unit, floor, target in (
                        ("bytes", "bytes a touch", "B", few, Target("the trace, bytes a touch", 1)),
                        ("rate", "records a second", "/s", None, None),
                        ("writes", "write calls a touch", "", none, Target("the trace, system calls a touch", 1))):
                    self.row(f"{engine}.trace.{pattern}.{key}", "the trace", f"{text}, {pattern}", unit, engine, floor,
                             target)
                    keys[f"{pattern}.{key}"] = f"{engine}.trace.{pattern}.{key}"
            self.job(self.program("faults", "trace", 16 * MIB, 64, self.count(32768),
                                  f"{self.context.scratch}/touches.vmt", *patterns), keys, engine=engine, rounds=3)

    def reading(self):
        group = "reading a trace: misses for every memory size"
        for pages in (1_000, 100_000, 1_000_000):
            for pattern in ("random", "zipf"):
                row = f"locality.{pattern}.{pages}"
                records = self.count(100_000_000 if pages == 100_000 else 20_000_000)
                self.row(f"{row}.rate", group, f"records a second, {pattern}, {pages:,} pages", "/s",
                         floor=Floor("5 million", (), 5e6), target=Target("records read a second", 1, at_least=True))
                self.row(f"{row}.bytes", group, f"bytes a page, {pattern}, {pages:,} pages", "B",
                         floor=Floor("100 bytes", (), 100), target=Target("memory to read, a page", 1))
                self.job(self.program("locality", pattern, pages, records),
                         {"rate": f"{row}.rate", "bytes": f"{row}.bytes"}, rounds=1)

    # ------------------------------------------------------------ peers

    def peers(self):
        for load in workloads.make(self.context):
            self.peers_on(load)
        self.libsigsegv()

    def timed(self, row, argv, load, repeat=1, **options):
        self.plan.jobs.append(Job([*argv, *load.argv], {"time": row}, timed=True, bound=False, stdin=load.stdin,
                                  environment={"LC_ALL": "C"}, repeat=self.repeat(repeat), **options))

    def vmtrace_run(self, name):
        return [self.context.vmtrace, "run", "-q", "-n", "1024", "-o", f"{self.context.scratch}/{name}.vmt", "--"]

    def peers_on(self, load):
        group = f"whole program: {load.text}"
        name = load.name
        native = Floor("native", ((1, f"native.{name}"),))
        self.row(f"native.{name}", group, "native", "ms")
        self.timed(f"native.{name}", [], load, 5)
        for engine in ENGINES:
            self.row(f"{engine}.run.{name}", group, "vmtrace run -n 1024", "ms", engine, native,
                     Target("sqlite3 script at N = 1024", 3) if name == "sqlite3" else None)
            self.timed(f"{engine}.run.{name}", self.vmtrace_run("whole"), load, 5, engine=engine)
        peers = [("strace", "strace -f", ["strace", "-f", "-o", "/dev/null"], 2),
                 ("seccomp", "strace -f --seccomp-bpf", ["strace", "-f", "--seccomp-bpf", "-o", "/dev/null"], 2),
                 ("cachegrind", "valgrind cachegrind", ["valgrind", "-q", "--tool=cachegrind", "--log-file=/dev/null",
                                                        "--cachegrind-out-file=/dev/null"], 1),
                 ("dhat", "valgrind DHAT", ["valgrind", "-q", "--tool=dhat", "--log-file=/dev/null",
                                            "--dhat-out-file=/dev/null"], 1)]
        if load.small is None:
            peers = []
        for key, text, argv, repeat in peers:
            self.row(f"{key}.{name}", group, text, "ms", floor=native)
            if not shutil.which(argv[0]):
                self.plan.refused.append(([f"{key}.{name}"], f"{argv[0]} is not installed"))
            else:
                self.timed(f"{key}.{name}", argv, load, repeat, rounds=2 if argv[0] == "valgrind" else 1000)
        if load.hash_table:
            self.row(f"libsigsegv.{name}", group, "GNU libsigsegv, N = 1024", "ms", floor=native)
            if self.context.has_libsigsegv:
                own = dataclasses.replace(load, argv=self.program("libsigsegv_hash_table", *load.argv[1:]))
                self.timed(f"libsigsegv.{name}", [], own, 5)
            else:
                self.plan.refused.append(([f"libsigsegv.{name}"], "libsigsegv-dev was not installed at the build"))
        if load.small is not None:
            self.lackey_on(load)

    def lackey_on(self, load):
        """Lackey's memory trace takes minutes of what takes 0.1 s natively: a smaller input, the same for all three."""
        name, small = load.name, load.small
        group = f"whole program: {load.text}"
        native = Floor("native", ((1, f"native.{name}.small"),))
        self.row(f"native.{name}.small", group, "native, small input", "ms")
        self.timed(f"native.{name}.small", [], small, 5)
        self.row(f"lackey.{name}.small", group, "valgrind lackey --trace-mem, small input", "ms", floor=native)
        if not shutil.which("valgrind"):
            self.plan.refused.append(([f"lackey.{name}.small"], "valgrind is not installed"))
        else:
            self.timed(f"lackey.{name}.small",
                       ["valgrind", "-q", "--tool=lackey", "--trace-mem=yes", "--log-file=/dev/null"], small, rounds=1)
        for engine in ENGINES:
            run = f"{engine}.run.{name}.small"
            self.row(run, group, "vmtrace run -n 1024, small input", "ms", engine, native)
            self.timed(run, self.vmtrace_run("small"), small, 5, engine=engine)
            self.row(f"{engine}.faster.{name}", group, "lackey's time by vmtrace's, small input", "x", engine,
                     Floor("vmtrace", (), 1, "vmtrace's time"),
                     Target("lackey's memory trace of it", 100, at_least=True) if name == "sqlite3" else None,
                     derive=lambda lackey, ours: lackey / ours, inputs=(f"lackey.{name}.small", run))

    def libsigsegv(self):
        patterns = ("sequential", "random")
        ids = {p: f"libsigsegv.fault.{p}" for p in patterns}
        for pattern, row in ids.items():
            self.row(row, "GNU libsigsegv's handler, a fault", f"{pattern}, 16 MiB, N = 64", "us",
                     floor=Floor("untraced", ((1, f"untraced.fault.{pattern}.16MiB.64"),)))
        if self.context.has_libsigsegv:
            self.job(self.program("libsigsegv_faults", 16 * MIB, 64, self.count(8192), *patterns), ids)
        else:
            self.plan.refused.append((list(ids.values()), "libsigsegv-dev was not installed at the build"))


def make_plan(context):
    builder = Builder(context)
    builder.faults()
    builder.calls()
    builder.regions()
    builder.loops()
    builder.threads()
    builder.trace()
    builder.memory()
    builder.reading()
    builder.peers()
    return builder.plan
