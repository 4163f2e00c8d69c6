# SPDX-License-Identifier: MIT
"""The result as a table of at most 110 columns."""
import itertools

WIDTH = 110


def number(value):
    """Four digits or so."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    for least, places in ((100, 1), (10, 2), (0.01, 3), (0.001, 4)):
        if size >= least:
            return f"{value:.{places}f}"
    return f"{value:.6f}" if size else "0"


def ratio_text(ratio):
    if ratio is None:
        return ""
    return f"{ratio:.1e} x" if ratio >= 1e5 else f"{number(ratio)} x" if ratio >= 100 else f"{ratio:.2f} x"


def wrap(text, indent):
    """`text` in lines of the table's width."""
    lines, line = [], ""
    for word in text.split():
        if line and indent + len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [" " * indent + part for part in [*lines, line]]


def heading(text):
    return ["", text, "-" * WIDTH]


def row_lines(row):
    if row["median"] is None:
        return []
    figures = f"{number(row['median']):>10} {number(row['min']):>9} {number(row['max']):>9} {row['unit']:<3}"
    ratio = f"{ratio_text(row['ratio']):>9} {row['floor_short'] or ''}"
    return [f"  {row['name']:<40} {row['engine'] or '':<8} {figures} {ratio}".rstrip()]


def group_lines(name, members):
    lines = heading(name)
    for row in members:
        lines += row_lines(row)
    absent = [row for row in members if row["median"] is None]
    by_reason = {}
    for row in absent:
        by_reason.setdefault((row["engine"], row["reason"]), []).append(row)
    for (engine, reason), missed in by_reason.items():
        what = f"{len(missed)} rows" if len(missed) > 1 else missed[0]["name"]
        lines += wrap(f"{engine + ', ' if engine else ''}{what}: {reason}", 2)
    for note in dict.fromkeys(row["note"] for row in members if row["note"]):
        lines += wrap(note, 2)
    for row in members:
        if row["median"] is not None and row["reason"]:
            lines += wrap(f"{row['name']}, {row['engine']}: a round is missing: {row['reason']}", 2)
    return lines


def target_lines(rows):
    """One line a target and engine; it gives the row that is worst, and those that miss it stand below."""
    lines = [*heading("Targets"), f"  {'':<31} {'engine':<8} {'the worst':>10} {'ratio':>7}  {'target'}".rstrip()]
    together = {}
    for row in rows:
        if row["target"]:
            together.setdefault((row["target_title"], row["engine"], row["target"]), []).append(row)
    for (title, engine, target), members in together.items():
        judged = [row for row in members if row["met"] is not None]
        missed = [row for row in judged if not row["met"]]
        worst = max(judged, key=lambda row: row["ratio"] * (-1 if target.startswith(">") else 1), default=None)
        value = f"{number(worst['median'])} {worst['unit']}".strip() if worst else ""
        verdict = "not available" if not judged else "NOT MET" if missed else "met"
        if judged and len(members) > 1:
            verdict += f" {len(judged) - len(missed)}/{len(judged)}"
        lines.append(f"  {title:<31} {engine or '':<8} {value:>10} {ratio_text(worst['ratio']) if worst else '':>7}  "
                     f"{target:<33} {verdict}".rstrip())
        if len(members) > 1:
            lines += [f"      not met: {row['name']:<37} {ratio_text(row['ratio']):>7}" for row in missed]
    return lines


def table(document):
    machine = document["machine"]
    lines = [f"vmtrace bench: {document['rounds']} rounds in {document['seconds']:.0f} s, {document['date']}",
             f"{machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, "
             f"{machine['memory_bytes'] / (1 << 30):.0f} GiB; load {machine['load_before']:.1f} before, "
             f"{machine['load_after']:.1f} after"]
    if document["short"]:
        lines.append("The short form: it shows that every row is produced. Its figures mean nothing.")
    elif machine["load_before"] > 0.5:
        lines.append("Other programs kept the machine busy: compare by ratios; what needs stops suffers most.")
    lines += ["", f"  {'':<40} {'engine':<8} {'median':>10} {'min':>9} {'max':>9} {'':<3} {'ratio':>9} to"]
    ordered = sorted(document["rows"], key=lambda row: order_of_groups(document)[row["group"]])
    for name, members in itertools.groupby(ordered, key=lambda row: row["group"]):
        lines += group_lines(name, list(members))
    lines += target_lines(document["rows"])
    return "\n".join(lines) + "\n"


def order_of_groups(document):
    """Floors first, then in the order in which they come."""
    groups = list(dict.fromkeys(row["group"] for row in document["rows"]))
    groups.sort(key=lambda name: 0 if name.startswith("floor") else 1 if name == "native" else 2)
    return {name: i for i, name in enumerate(groups)}
