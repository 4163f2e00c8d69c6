#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each format of `vmtrace report` says the same of a trace, and what can be counted from its touches is counted so.

cli_report.py PROGRAMS: the folder with made_trace (tests/programs/made_trace.c). VMTRACE is the command.
"""
import base64
import bisect
import collections
import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile

VMTRACE = os.environ["VMTRACE"]
FORMATS = ("text", "html", "json", "csv", "tsv", "chrome", "collapsed", "bencher")
BINS, ROWS, WINDOW = 1000, 600, 64
KINDS = ("reads", "writes", "syscalls", "upgrades", "evictions")
failures = 0


def check(holds, what):
    global failures
    if not holds:
        print("FAIL: " + what)
        failures += 1


def vmtrace(*words, status=0, **environment):
    """(standard output, standard error) of the command, which must end so."""
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    done = subprocess.run([VMTRACE, *words], env={**clean, **environment}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=100)
    if done.returncode != status:
        sys.exit("FAIL: vmtrace %s ended with %d: %s" % (" ".join(words), done.returncode, done.stderr.decode()))
    return done.stdout, done.stderr.decode()


def report(path, form):
    return vmtrace("report", "--format=" + form, path)[0]


def page_data(page):
    """The data in a page, which must be one element whatever it says."""
    text = page.decode()
    check(text.count("</script>") == text.count("<script") == 2, "the page has other script elements than its own")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL).group(1)
    check("<" not in data and data.isascii(), "a < or what is not ASCII is in the page's data as it is")
    return json.loads(data)


# ---------------------------------------------------------------- from the touches


class Touches:
    """The rows of the csv format."""

    def __init__(self, text):
        rows = list(csv.reader(io.StringIO(text.decode("utf-8", "surrogateescape"), newline="")))
        self.names, self.rows = rows[0], [dict(zip(rows[0], row)) for row in rows[1:]]
        check(all(len(row) == len(self.names) for row in rows), "csv: rows of different lengths")
        self.pages = [int(row["address"], 16) for row in self.rows]

    def misses(self, memory):
        """Of an LRU memory, the plainest way."""
        held, missed = [], 0
        for page in self.pages:
            if page in held:
                held.remove(page)
            else:
                missed += 1
                if len(held) == memory:
                    held.pop(0)
            held.append(page)
        return missed

    def working_set(self, tau):
        """(average, peak)"""
        inside, total, peak = collections.Counter(), 0, 0
        for i, page in enumerate(self.pages):
            inside[page] += 1
            if i >= tau:
                old = self.pages[i - tau]
                inside[old] -= 1
                if not inside[old]:
                    del inside[old]
            total += len(inside)
            peak = max(peak, len(inside))
        return total / len(self.pages), peak

    def cells(self, bins, rows):
        """Touches by (bin, row, kind)."""
        distinct = sorted(set(self.pages))
        bins, rows = min(bins, len(self.pages)), min(rows, len(distinct))
        found = collections.Counter()
        for i, (page, row) in enumerate(zip(self.pages, self.rows)):
            kind = "syscalls" if row["by"] == "syscall" else "writes" if row["access"] == "write" else "reads"
            found[i * bins // len(self.pages), bisect.bisect_left(distinct, page) * rows // len(distinct), kind] += 1
        return found


def add_evictions(cells, touches, dump, bins, rows):
    """As `vmtrace dump` names them."""
    distinct = sorted(set(touches.pages))
    bins, rows = min(bins, len(touches.pages)), min(rows, len(distinct))
    for i, line in enumerate(dump.rstrip(b"\n").split(b"\n") if dump else []):
        for address in line.split(b" ")[8:]:
            rank = bisect.bisect_left(distinct, int(address, 16))
            cells[i * bins // len(touches.pages), rank * rows // len(distinct), "evictions"] += 1


# ---------------------------------------------------------------- formats


def check_csv(path, r, touches):
    check(len(touches.rows) == r["touches"], "%s: csv has %d rows" % (path, len(touches.rows)))
    check([int(row["touch"]) for row in touches.rows] == list(range(1, r["touches"] + 1)), path + ": csv: numbers")
    check(len(set(touches.pages)) == r["footprint_pages"], path + ": csv: pages")
    check(sum(row["by"] == "syscall" for row in touches.rows) == r["syscall_touches"], path + ": csv: calls")
    check(sum(int(row["evicts"]) for row in touches.rows) == r["evictions"], path + ": csv: evictions")
    by_thread = collections.Counter(int(row["thread"]) for row in touches.rows)
    check(by_thread == {t["index"]: t["touches"] for t in r["threads_detail"] if t["touches"]}, path + ": csv: threads")
    once = sum(n == 1 for n in collections.Counter(touches.pages).values())
    check(once == r["pages_once"], "%s: %d pages touched once, not %d" % (path, once, r["pages_once"]))


def check_groups(path, r, touches, exact_names):
    """The tables of the JSON against the rows of the csv."""
    for by, column, skip_empty in (("thread", "thread", False), ("site", "site", False), ("label", "label", True),
                                   ("phase", "phase", True)):
        rows = collections.defaultdict(list)
        for page, row in zip(touches.pages, touches.rows):
            if row[column] or not skip_empty:
                rows[row[column]].append(page)
        groups = r["by_" + by]
        expected = sorted((len(set(pages)), len(pages)) for pages in rows.values())
        shown = sorted((g["pages"], g["touches"]) for g in groups)
        check(shown == expected, "%s: by_%s is not as the csv" % (path, by))
        if exact_names:
            names = {str(g[by]) if g[by] is not None else "" for g in groups}
            check(names == set(rows), "%s: by_%s: names %s" % (path, by, names))
        for g in groups:
            check(g["memory_1_percent"] <= g["pages"], "%s: by_%s: memory" % (path, by))
    check(sum(g["touches"] for g in r["by_site"]) == r["touches"], path + ": by_site: not all touches")


def check_curves(path, r, touches):
    curve = r["miss_ratio_curve"]
    memories = [point["memory_pages"] for point in curve]
    check(memories == sorted(set(memories)), path + ": memories are not in order")
    if not r["touches"]:
        check(not curve and not r["working_set"] and not r["reuse_distances"], path + ": curves of nothing")
        return
    check(memories[-1] == curve[-1]["misses"] == r["footprint_pages"], path + ": end of the curve")
    by_memory = {point["memory_pages"]: point for point in curve}
    for memory in memories[:: max(1, len(memories) // 6)]:
        check(touches.misses(memory) == by_memory[memory]["misses"], "%s: misses of %d pages" % (path, memory))
    if memories[-1] > 4 * WINDOW:
        check(r["no_bounds_reason"] is None and r["bounds_from_pages"] == 3 * WINDOW - 2, path + ": bounds are missing")
    for point in curve:
        bounded = r["bounds_from_pages"] is not None and point["memory_pages"] >= r["bounds_from_pages"]
        check((point["low"] is not None) == bounded == (point["high"] is not None), path + ": where there are bounds")
        if bounded:
            check(point["low"] <= point["misses"] <= point["high"], path + ": misses are not within their bounds")
            check(point["low"] == touches.misses(point["memory_pages"] + WINDOW - 1) or len(touches.rows) > 6000,
                  path + ": lower bound")
    again = sum(b["touches"] for b in r["reuse_distances"])
    check(again + r["footprint_pages"] == r["touches"], path + ": reuse distances")
    for set_ in r["working_set"][::3]:
        average, peak = touches.working_set(set_["tau"])
        check(abs(average - set_["average_pages"]) < 1e-6, "%s: average working set" % path)
        check(set_["peak_pages"] in (peak, None), "%s: peak working set" % path)
    check(r["working_set"][0]["peak_pages"] == 1, path + ": no peaks")


def check_tsv(path, r, cells):
    lines = report(path, "tsv").decode().splitlines()
    plot = [line for line in lines if line.startswith("# gnuplot")]
    check(len(plot) == 1, path + ": tsv says not how to plot it")
    found = collections.Counter()
    bins = min(BINS, r["touches"])
    for line in lines:
        if line.startswith("#"):
            continue
        first, _, row, address, *counts = line.split("\t")
        check(len(counts) == len(KINDS) and address.startswith("0x"), path + ": tsv: " + line)
        for kind, n in zip(KINDS, map(int, counts)):
            if n:
                found[(int(first) - 1) * bins // r["touches"], int(row), kind] += n
    upgrades = sum(n for (_, _, kind), n in found.items() if kind == "upgrades")
    check(upgrades == r["upgrades"], "%s: tsv: %d upgrades" % (path, upgrades))
    check({key: n for key, n in found.items() if key[2] != "upgrades"} == cells, path + ": tsv: other cells")
    return found


def cells_of(walk):
    """Counts by (bin, row, kind), as the page has them."""
    code, at, cell, found = base64.b64decode(walk["cells"]), 0, 0, collections.Counter()

    def varint():
        nonlocal at
        n = shift = 0
        while True:
            byte = code[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(code):
        cell += varint()
        kinds = varint()
        for i, kind in enumerate(KINDS):
            if kinds >> i & 1:
                found[(*divmod(cell, len(walk["rows"])), kind)] = varint()
        cell += 1
    return found


def check_page(path, r, tsv_cells):
    data = page_data(report(path, "html"))
    check(len(data["traces"]) == 1 and data["traces"][0]["report"] == r, path + ": html: other figures than --json")
    walk = data["traces"][0]["walk"]
    check(cells_of(walk) == tsv_cells, path + ": html: other cells than tsv")
    check(sum(row["touches"] for row in walk["rows"]) == r["touches"], path + ": html: touches of the rows")
    check(sum(row["pages"] for row in walk["rows"]) == r["footprint_pages"], path + ": html: pages of the rows")
    return data


def check_chrome(path, r):
    events = json.loads(report(path, "chrome"))["traceEvents"]
    check(all({"ph", "pid", "name"} <= set(event) for event in events), path + ": chrome: an event lacks a key")
    check({event["ph"] for event in events} <= {"M", "X", "C"}, path + ": chrome: kinds of events")
    counters = collections.Counter()
    for event in events:
        if event["ph"] == "C":
            counters.update({(event["name"], key): n for key, n in event["args"].items()})
    check(sum(n for (name, _), n in counters.items() if name == "touches") == r["touches"], path + ": chrome: touches")
    check(counters["touches", "system calls"] == r["syscall_touches"], path + ": chrome: calls")
    check(counters["evictions", "evictions"] == r["evictions"], path + ": chrome: evictions")
    check(counters["upgrades", "upgrades"] == r["upgrades"], path + ": chrome: upgrades")
    slices = [event for event in events if event["ph"] == "X"]
    check(all(event["ts"] >= 0 and event["dur"] >= 0 for event in slices), path + ": chrome: times")
    phases = [event for event in slices if event["cat"] == "phase"]
    check({event["name"] for event in phases} == {g["phase"] for g in r["by_phase"]}, path + ": chrome: phases")
    check(all(a["ts"] + a["dur"] <= b["ts"] + 0.001 for a, b in zip(phases, phases[1:])), path + ": phases overlap")
    threads = {event["tid"] for event in slices if event["cat"] == "thread"}
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    check(threads == {t["tid"] for t in r["threads_detail"]} and threads <= named, path + ": chrome: threads")


def check_collapsed(path, r):
    lines = report(path, "collapsed").decode().splitlines()
    stacks = [re.fullmatch(r"([^;]+(?:;[^;]+)+) (\d+)", line) for line in lines]
    check(all(stacks) and len({stack.group(1) for stack in stacks}) == len(lines), path + ": collapsed: lines")
    pages = [int(stack.group(2)) for stack in stacks]
    check(sum(pages) == r["footprint_pages"], path + ": collapsed: pages")
    if path != "real.vmt":  # of the others each page has one owner, and no stack
        check(sorted(pages) == sorted(g["pages"] for g in r["by_site"]), path + ": collapsed: pages of the sites")
        check(all(stack.group(1).count(";") == 1 for stack in stacks), path + ": collapsed: frames that nobody told")
    return stacks


def check_bencher(path, r):
    benchmarks = json.loads(report(path, "bencher"))
    name = os.path.basename(path)[: -len(".vmt")]
    check(list(benchmarks) == [name], path + ": bencher: benchmarks")
    for measure, metric in benchmarks[name].items():
        check(metric == {"value": r[measure]}, "%s: bencher: %s" % (path, measure))
    check({"touches", "footprint_pages"} <= set(benchmarks[name]), path + ": bencher: measures")


def check_text(path, r):
    text = report(path, "text").decode("utf-8", "replace")
    check("\x1b" not in text, path + ": text: colours in a pipe")
    check(re.search(r"^touches +%d: " % r["touches"], text, re.M), path + ": text: touches")
    check(re.search(r"^fingerprint +%s$" % r["fingerprint"], text, re.M), path + ": text: fingerprint")
    for point in r["miss_ratio_curve"]:
        if point["memory_pages"] & (point["memory_pages"] - 1) == 0:
            check(re.search(r"^ +%d +%d +[0-9.]+ %%" % (point["memory_pages"], point["misses"]), text, re.M),
                  "%s: text: no misses of %d pages" % (path, point["memory_pages"]))
    for columns in ("40", "100", "240"):
        picture = [line for line in vmtrace("report", path, COLUMNS=columns)[0].decode("utf-8", "replace").splitlines()
                   if line.endswith("|") and " |" in line]
        check(len(picture) == min(24, r["footprint_pages"]), path + ": text: lines of the picture")
        widths = {len(line) for line in picture}
        check(not widths or widths == {min(int(columns), 17 + r["touches"])} or r["touches"] < 240,
              "%s: text: the picture is %s wide, not %s" % (path, widths, columns))


def on_terminal(path, **environment):
    """What the command prints to a terminal."""
    mine, its = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "TERM")}
    with subprocess.Popen([VMTRACE, "report", path], stdout=its, env={**clean, **environment}) as child:
        os.close(its)
        out = b""
        while True:
            try:
                part = os.read(mine, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not part:
                break
            out += part
        child.wait()
    os.close(mine)
    return out


def check_colours(path):
    check(b"\x1b[3" in on_terminal(path, TERM="xterm"), "no colours on a terminal")
    check(b"\x1b" not in on_terminal(path, TERM="xterm", NO_COLOR="1"), "colours with NO_COLOR")
    check(b"\x1b" not in on_terminal(path, TERM="dumb"), "colours on a dumb terminal")
    check(b"\x1b" not in on_terminal(path), "colours where TERM is not set")


# ---------------------------------------------------------------- options


def check_output(path):
    for form in FORMATS:
        expected = report(path, form)
        out, _ = vmtrace("report", "--format=" + form, path, "-o", "output")
        with open("output", "rb") as written:
            check(not out and written.read() == expected, "-o with %s is not what stdout gets" % form)
    check(vmtrace("report", "--json", path)[0] == report(path, "json"), "--json is not --format=json")
    check(vmtrace("report", "--html", path)[0] == report(path, "html"), "--html is not --format=html")
    with open(path, "rb") as trace:
        before = trace.read()
    os.link(path, "link.vmt")
    for words in (("--json", path, "-o", path), ("--json", path, "-o", "link.vmt"),
                  ("--html", path, "--against", "one.vmt", "-o", "one.vmt")):
        says = vmtrace("report", *words, status=1)[1]
        check("which is the trace" in says, "-o on the trace says: " + says)
    with open(path, "rb") as trace:
        check(trace.read() == before, "the trace was written over")
    says = vmtrace("report", "--json", path, "-o", "no/such/folder", status=1)[1]
    check("no/such/folder" in says, "-o in no folder says: " + says)
    with open("output", "wb") as kept:
        kept.write(b"kept")
    vmtrace("report", "--json", "no-such-trace", "-o", "output", status=1)
    with open("output", "rb") as kept:
        check(kept.read() == b"kept", "a trace that cannot be read cost the output its content")
    if os.access("/dev/full", os.W_OK):
        for form in FORMATS:
            says = vmtrace("report", "--format=" + form, path, "-o", "/dev/full", status=1)[1]
            check("No space left" in says and "/dev/full" in says, "%s to a full disk says: %s" % (form, says))


def check_wrong_use(path):
    says = vmtrace("report", "--format=xml", path, status=2)[1]
    check("xml" in says and all(form in says for form in FORMATS), "an unknown format: " + says)
    says = vmtrace("report", "--json", "--against", path, path, status=2)[1]
    check("--against" in says and "--html" in says, "--against without --html: " + says)
    says = vmtrace("report", "--html", "--against", "missing.vmt", path, status=1)[1]
    check("missing.vmt" in says, "--against a file that is missing: " + says)


def check_against(a, b):
    out, _ = vmtrace("report", "--html", "--against", b, a)
    both = page_data(out)["traces"]
    check([trace["file"] for trace in both] == [a, b], "--against: files")
    for trace, path in zip(both, (a, b)):
        check(trace["report"] == json.loads(report(path, "json")), "--against: figures of " + path)


def check_size(programs):
    """With hardly a cell empty a page stays small, has coarser bins, and tells of all touches still."""
    subprocess.run([os.path.join(programs, "made_trace"), "noise.vmt", "noise", "1500000", "60000"], check=True)
    page = report("noise.vmt", "html")
    print("a page of 1,500,000 touches at random has %d bytes" % len(page))
    check(len(page) < 2500000, "the page has %d bytes: there is no room for another trace" % len(page))
    walk = page_data(page)["traces"][0]["walk"]
    check(len(walk["bin_touch"]) == len(walk["bin_time_ns"]) < BINS, "noise: there is room for %d bins" % BINS)
    counts = collections.Counter()
    for (_, _, kind), n in cells_of(walk).items():
        counts[kind] += n
    check(counts["reads"] == 1500000 and counts["evictions"] == 1500000 - WINDOW, "noise: cells tell of %s" % counts)
    check(len(report("noise.vmt", "chrome")) < 5000000, "chrome's size grows with the trace")


def check_many_pages(programs):
    """Above half a million pages groups are read one kind after the other."""
    subprocess.run([os.path.join(programs, "made_trace"), "wide.vmt", "mixed", "1200000", "800000"], check=True)
    r = json.loads(report("wide.vmt", "json"))
    check(r["footprint_pages"] > 1 << 19 and r["complete"], "wide: %d pages" % r["footprint_pages"])
    for by, groups in (("by_site", 3), ("by_thread", 2), ("by_phase", 3)):
        check(len(r[by]) == groups and sum(g["touches"] for g in r[by]) == r["touches"], "wide: %s: %s" % (by, r[by]))
    check([g["touches"] for g in r["by_thread"]] == [t["touches"] for t in r["threads_detail"]], "wide: threads")


def check_inlined(programs):
    """Copies of one call that allocates, in the functions that it is inlined into, are one site."""
    vmtrace("run", "-q", "-o", "inlined.vmt", "--", os.path.join(programs, "inlined_sites"))
    r = json.loads(report("inlined.vmt", "json"))
    sites = [g["site"] for g in r["by_site"]]
    check(len(set(sites)) == len(sites), "inlined: a site has two rows: %s" % sites)
    named = [g["pages"] for g in r["by_site"] if (g["site"] or "").startswith("new_pages inlined_sites.c:")]
    check(named == [60] or not any(".c:" in (site or "") for site in sites), "inlined: %s" % r["by_site"])


# ---------------------------------------------------------------- all of it


def check_trace(path, exact_names=True):
    r = json.loads(report(path, "json"))
    touches = Touches(report(path, "csv"))
    check_csv(path, r, touches)
    check_groups(path, r, touches, exact_names)
    check_curves(path, r, touches)
    cells = touches.cells(BINS, ROWS)
    add_evictions(cells, touches, vmtrace("dump", path)[0], BINS, ROWS)
    check_page(path, r, check_tsv(path, r, cells))
    check_chrome(path, r)
    check_collapsed(path, r)
    check_bencher(path, r)
    check_text(path, r)
    return r


def main():
    programs = os.path.abspath(sys.argv[1])
    for variable in [name for name in os.environ if name.startswith("VMT_")]:
        del os.environ[variable]
    with tempfile.TemporaryDirectory(prefix="vmt-report.") as work:
        os.chdir(work)
        for name, *words in (("mixed", "4000", "700"), ("hostile", "3000", "400"), ("plain", "3000", "400"),
                             ("empty",), ("one",)):
            subprocess.run([os.path.join(programs, "made_trace"), name + ".vmt", name, *words], check=True)
        mixed = check_trace("mixed.vmt")
        check([g["phase"] for g in mixed["by_phase"]] == ["load", "look up", "rebuild"], "phases are in another order")
        check(mixed["upgrades"] > 100 and mixed["syscall_touches"] > 50, "the trace is no test")
        hostile = check_trace("hostile.vmt", exact_names=False)
        check({g["label"] for g in hostile["by_label"]} ==
              {"</script><img onerror=bad()>", "\u2028=1+1;x y\\"}, "hostile labels")
        check([g["phase"] for g in hostile["by_phase"]] ==
              ["</script><script>bad()</script>", 'a,b"c"\nd', "<!--<script>"], "hostile phases")
        check_trace("plain.vmt")
        check(not check_trace("empty.vmt")["memory_1_percent"], "an empty trace needs memory")
        check(check_trace("one.vmt")["memory_1_percent"] == 1, "one touch needs another memory than one page")
        with open("mixed.vmt", "rb") as whole, open("cut.vmt", "wb") as cut:
            cut.write(whole.read()[:-200])
        cut = json.loads(report("cut.vmt", "json"))
        check(not cut["complete"] and cut["no_bounds_reason"] and cut["bounds_from_pages"] is None, "a cut trace")
        for form in FORMATS:
            report("cut.vmt", form)
        vmtrace("run", "-q", "--writes", "-n", "32", "-o", "real.vmt", "--", "sort", os.path.abspath(__file__))
        check_trace("real.vmt")
        vmtrace("run", "-q", "--stacks", "-n", "32", "-o", "stacks.vmt", "--", "sort", os.path.abspath(__file__))
        stacks = check_collapsed("real.vmt", json.loads(report("real.vmt", "json")))
        whole = report("stacks.vmt", "collapsed").decode()
        check("main" in whole or re.search(r"(;[^;]+){3,} \d", whole), "no whole stacks: " + whole)
        check(max(stack.group(1).count(";") for stack in stacks) == 1, "stacks that were not asked for")
        check_colours("mixed.vmt")
        check_output("mixed.vmt")
        check_wrong_use("mixed.vmt")
        check_against("mixed.vmt", "plain.vmt")
        check_against("empty.vmt", "hostile.vmt")
        check_inlined(programs)
        check_size(programs)
        check_many_pages(programs)
        if shutil.which("gnuplot"):
            vmtrace("report", "--format=tsv", "mixed.vmt", "-o", "FILE")
            with open("FILE") as lines:
                script = re.search(r'-e "(.*)"$', next(line for line in lines if "gnuplot -p" in line)).group(1)
            script = "set terminal svg; set output 'plot.svg'; " + script.replace("\\$", "$")
            subprocess.run(["gnuplot", "-e", script], check=True)
            check(os.path.getsize("plot.svg") > 1000, "gnuplot draws nothing")
    return 1 if failures else 0


sys.exit(main())
