# SPDX-License-Identifier: MIT
"""The result as one SVG that needs nothing else: light or dark as the viewer's system is, no script, no network."""
import math
from xml.sax.saxutils import escape

import show

WIDTH, LEFT, RIGHT = 1040, 340, 720  # labels to the left of LEFT, values to the right of RIGHT
LINE, AXIS = 21, 30
STYLE = """
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328; }
.title { font-size: 20px; font-weight: 600; } .head { font-size: 15px; font-weight: 600; }
.soft { fill: #59636e; } .small { font-size: 12px; } .right { text-anchor: end; } .mid { text-anchor: middle; }
.page { fill: #ffffff; } .band { fill: #f3f5f7; } .grid { stroke: #d1d9e0; }
.limit { stroke: #1f2328; stroke-width: 1.5; }
.mark { stroke-width: 1.8; } .spread { stroke-width: 1.5; opacity: .55; }
.ptrace { fill: #2166c4; stroke: #2166c4; } .dispatch { fill: #0a7d5c; stroke: #0a7d5c; }
.stopped { fill: #ffffff; stroke: #2166c4; } .untraced { fill: #ffffff; stroke: #0a7d5c; }
.floor { fill: #ffffff; stroke: #59636e; } .peer { fill: #59636e; stroke: #59636e; }
.met { fill: #2166c4; stroke: #2166c4; } .missed { fill: #c2410c; stroke: #c2410c; } text.missed { stroke: none; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .soft { fill: #9da7b3; }
.page { fill: #0d1117; } .band { fill: #161b22; } .grid { stroke: #30363d; } .limit { stroke: #e6edf3; }
.ptrace { fill: #6cb0ff; stroke: #6cb0ff; } .dispatch { fill: #4fd1a5; stroke: #4fd1a5; }
.stopped { fill: #0d1117; stroke: #6cb0ff; } .untraced { fill: #0d1117; stroke: #4fd1a5; }
.floor { fill: #0d1117; stroke: #9da7b3; } .peer { fill: #9da7b3; stroke: #9da7b3; }
.met { fill: #6cb0ff; stroke: #6cb0ff; } .missed { fill: #ff9a62; stroke: #ff9a62; }
}
"""
# What a mark stands for; the shape says it too, for who does not see the colour.
SHAPES = {"ptrace": "disc", "dispatch": "square", "stopped": "disc", "untraced": "square", "floor": "diamond",
          "peer": "disc", "met": "disc", "missed": "triangle"}
CORNERS = {"diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)), "triangle": ((0, -5.5), (5.5, 4.5), (-5.5, 4.5))}
NAMES = {"ptrace": "ours, ptrace", "dispatch": "ours, dispatch", "stopped": "floor, one stop",
         "untraced": "floor, SIGSEGV + 2 mprotect", "floor": "floor or native", "peer": "another tool",
         "met": "target met", "missed": "target missed"}


class Page:
    """Pieces of SVG, from top to bottom."""

    def __init__(self):
        self.parts = []
        self.y = 0

    def text(self, x, y, text, classes=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, classes):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{classes}"/>')

    def mark(self, x, y, series, tip=""):
        shape, name = SHAPES[series], f'class="mark {series}"'
        title = f"<title>{escape(tip)}</title>" if tip else ""
        if shape == "disc":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {name}>{title}</circle>')
        elif shape == "square":
            self.parts.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" {name}>{title}</rect>')
        else:
            points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in CORNERS[shape])
            self.parts.append(f'<polygon points="{points}" {name}>{title}</polygon>')


class Scale:
    """From a figure to a place; what lies beyond the ends is drawn at them."""

    def __init__(self, low, high, log):
        self.low, self.high, self.log = low, high, log

    def place(self, value):
        value = min(max(value, self.low), self.high)
        if self.log:
            part = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            part = (value - self.low) / (self.high - self.low)
        return LEFT + part * (RIGHT - LEFT)

    def ticks(self):
        if self.log:
            exponents = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            parts = (1, 2, 5) if self.high / self.low <= 200 else (1,)
            ticks = [part * 10.0 ** power for power in range(exponents.start - 1, exponents.stop) for part in parts]
            return [tick for tick in ticks if self.low * 0.999 <= tick <= self.high * 1.001]
        step = 10 ** math.floor(math.log10(self.high - self.low))
        for part in (0.2, 0.5, 1):
            if (self.high - self.low) / (step * part) <= 8:
                step *= part
                break
        return [self.low + i * step for i in range(int((self.high - self.low) / step + 1e-9) + 1)]


def log_scale(values):
    values = [value for value in values if value > 0] or [1, 10]
    return Scale(10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values) * 1.01)), True)


def tick_text(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def panel(page, title, subtitle, lines, scale, unit, limit=None):
    """`lines`: (label, [(series, row or figure)], text to the right, class of that text); without marks a heading."""
    page.y += 42
    page.text(24, page.y, title, "head")
    page.text(24, page.y + 19, subtitle, "soft small")
    series = list(dict.fromkeys(name for _, marks, _, _ in lines for name, _ in marks))
    page.y += 40
    x = 24
    for name in series:
        page.mark(x + 5, page.y - 4, name)
        page.text(x + 16, page.y, NAMES[name], "small")
        x += 34 + 7.2 * len(NAMES[name])
    top = page.y + 14
    bottom = top + LINE * len(lines)
    for i in range(0, len(lines), 2):
        page.parts.append(f'<rect x="16" y="{top + LINE * i}" width="{WIDTH - 32}" height="{LINE}" class="band"/>')
    for tick in scale.ticks():
        page.line(scale.place(tick), top, scale.place(tick), bottom, "grid")
        page.text(scale.place(tick), bottom + 16, tick_text(tick), "small soft mid")
    page.text(RIGHT + 34, bottom + 16, unit, "small soft")
    if limit is not None:
        page.line(scale.place(limit), top, scale.place(limit), bottom, "limit")
    for i, (label, marks, text, classes) in enumerate(lines):
        y = top + LINE * i + LINE / 2
        page.text(24 if not marks else LEFT - 14, y + 4.5, label, "soft" if not marks else "right")
        for name, row in marks:
            if isinstance(row, dict):
                tip = f"{row['name']} ({NAMES[name]}): {show.number(row['median'])} {row['unit']}"
                page.line(scale.place(row["min"]), y, scale.place(row["max"]), y, f"spread {name}")
                page.mark(scale.place(row["median"]), y, name, tip)
            else:
                page.mark(scale.place(row), y, name)
        page.text(RIGHT + 34, y + 4.5, text, classes)
    page.y = bottom + AXIS


def targets(page, rows):
    lines = []
    engines = {row["engine"] for row in rows if row["met"] is not None}
    titles = [(row["target_title"], row["engine"]) for row in rows]
    for row in rows:
        if row["met"] is None:
            continue
        bound = float(row["target_factor"])
        part = bound / row["ratio"] if row["target_at_least"] and row["ratio"] else row["ratio"] / bound
        label = row["target_title"] if titles.count((row["target_title"], row["engine"])) == 1 else row["name"]
        if row["target_title"].startswith("a fault,") or row["target_title"] == "a fault":
            label = f"a fault: {row['name']}"
        lines.append((label + (f", {row['engine']}" if len(engines) > 1 else ""), part, row))
    if not lines:
        return
    shown = [(label, [("met" if row["met"] else "missed", max(part, 0.05))],
              f"{show.ratio_text(row['ratio'])} · {row['target']}", "small" if row["met"] else "small missed")
             for label, part, row in lines]
    panel(page, "Targets", "How much of its bound each uses; left of the line at 1 it is met. Beyond 5: at the edge.",
          shown, Scale(0.05, 5, True), "of the bound", limit=1)


def faults(page, by_id):
    keys = list(dict.fromkeys(name.split(".fault.")[1] for name in by_id if ".fault." in name and
                              not name.startswith("libsigsegv")))
    lines = []
    for key in keys:
        marks = [(kind, by_id[f"{kind}.fault.{key}"]) for kind in ("untraced", "stopped", "ptrace", "dispatch")
                 if f"{kind}.fault.{key}" in by_id]
        if marks:
            ours = [show.ratio_text(row["ratio"]) + f" {row['floor_short']}" for kind, row in marks
                    if kind in ("ptrace", "dispatch") and row["ratio"] is not None]
            lines.append((marks[0][1]["name"], marks, ", ".join(ours), "small"))
    if lines:
        most = max(row["median"] for _, marks, _, _ in lines for _, row in marks) * 1.15
        panel(page, "A fault", "Microseconds, median of the rounds; the bar is from least to most. N: pages kept open.",
              lines, Scale(0, most, False), "us")


def calls(page, by_id):
    lines = []
    for name, row in by_id.items():
        if name.startswith("floor.call.") and name != "floor.call.cheapest":
            lines.append((f"getppid, {row['name']}", [("floor", row)], f"{show.number(row['median'])} us", "small"))
    for name, row in by_id.items():
        if row["group"] != "native" or row["unit"] != "us":
            continue
        key = name.split(".", 1)[1]
        marks = [("floor", row)] + [(engine, by_id[f"{engine}.{key}"]) for engine in ("ptrace", "dispatch")
                                    if f"{engine}.{key}" in by_id]
        text = ", ".join(f"{show.number(ours['median'])} us" for _, ours in marks)
        lines.append((row["name"], marks, text, "small"))
    if lines:
        values = [row[edge] for _, marks, _, _ in lines for _, row in marks for edge in ("min", "max")]
        panel(page, "A system call", "Microseconds, logarithmic.", lines, log_scale(values), "us")


def programs(page, rows):
    lines = []
    for group in dict.fromkeys(row["group"] for row in rows if row["group"].startswith("whole program")):
        members = [row for row in rows
                   if row["group"] == group and row["ratio"] is not None and row["floor"] == "native"]
        if members:
            lines.append((group.split(": ")[1], [], "", ""))
        for row in sorted(members, key=lambda row: row["ratio"]):
            label = row["name"] + (f", {row['engine']}" if row["engine"] else "")
            lines.append((label, [(row["engine"] or "peer", max(row["ratio"], 0.5))],
                          f"{show.ratio_text(row['ratio'])} native", "small"))
    if lines:
        values = [row for _, marks, _, _ in lines for _, row in marks]
        panel(page, "Whole programs", "Time by that of the program alone, logarithmic; less is faster.", lines,
              log_scale([1, *values]), "x native", limit=1)


def svg(document):
    rows = [row for row in document["rows"] if row["median"] is not None]
    by_id = {row["id"]: row for row in rows}
    machine = document["machine"]
    page = Page()
    page.y = 40
    page.text(24, page.y, "What vmtrace costs", "title")
    page.y += 22
    page.text(24, page.y, f"{document['date']}: {document['rounds']} rounds, {machine['cpu']}, {machine['cpus']} CPUs, "
              f"Linux {machine['kernel']}, load {machine['load_before']:.1f} to {machine['load_after']:.1f}",
              "soft small")
    if document["short"]:
        page.y += 18
        page.text(24, page.y, "The short form: its figures mean nothing.", "missed")
    targets(page, rows)
    faults(page, by_id)
    calls(page, by_id)
    programs(page, rows)
    absent = sorted({f"{row['engine']}: {row['reason']}" for row in document["rows"]
                     if row["median"] is None and row["engine"] and "not available" in (row["reason"] or "")})
    for text in absent:
        page.y += 22
        page.text(24, page.y, text[:150], "soft small")
    height = page.y + 24
    return ('<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}">\n'
            f"<title>What vmtrace costs</title>\n<style>{STYLE}</style>\n"
            f'<rect width="{WIDTH}" height="{height:.0f}" class="page"/>\n' + "\n".join(page.parts) + "\n</svg>\n")
