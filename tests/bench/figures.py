# SPDX-License-Identifier: MIT
"""The arithmetic of the bench: rows, their figures over the rounds, ratios to floors, targets."""
from __future__ import annotations

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Floor:
    """What a row is divided by, in one round: the sum of the terms (factor, id of a row) and of a constant.

    The constant is in the row's unit. `short` fits into a column of the table.
    """

    short: str
    terms: tuple = ()
    constant: float = 0.0
    text: str = ""

    def is_row(self):
        return len(self.terms) == 1 and not self.constant

    def value(self, rounds_of, index):
        parts = [rounds_of(name).get(index) for _, name in self.terms]
        if any(part is None for part in parts):
            return None
        return self.constant + sum(factor * part for (factor, _), part in zip(self.terms, parts))


@dataclasses.dataclass(frozen=True)
class Target:
    """A bound of a row's ratio to its floor. Rows whose targets have one title and engine are stated together."""

    title: str
    factor: float
    at_least: bool = False

    def holds(self, ratio):
        return ratio >= self.factor if self.at_least else ratio <= self.factor

    def text(self, floor):
        sign, name = ">=" if self.at_least else "<=", floor.text or floor.short
        return f"{sign} {name}" if self.factor == 1 and not floor.is_row() else f"{sign} {self.factor:g} x {name}"


@dataclasses.dataclass
class Row:
    """One line of the result. `rounds` maps the number of a round to its figure."""

    id: str
    group: str
    name: str
    unit: str
    engine: str = ""
    floor: Floor | None = None
    target: Target | None = None
    note: str = ""
    derive: object = None  # function of a dictionary of inputs; with `inputs`, the ids that it needs
    inputs: tuple = ()
    rounds: dict = dataclasses.field(default_factory=dict)
    means: list = dataclasses.field(default_factory=list)  # what the programs printed beside their figures
    reason: str = ""  # why there is no figure, or why a round is missing


def lower_quartile(values):
    """The figure of several runs: what other programs slow down falls out, as in bench.h."""
    return sorted(values)[len(values) // 4]


class Table:
    """Rows by id, in order."""

    def __init__(self, rows):
        self.rows = {}
        for row in rows:
            if row.id in self.rows:
                raise ValueError(f"two rows with the id {row.id}")
            self.rows[row.id] = row
        for row in rows:
            for name in [*row.inputs, *(name for _, name in (row.floor.terms if row.floor else ()))]:
                if name not in self.rows:
                    raise ValueError(f"{row.id} needs {name}, which is no row")

    def __iter__(self):
        return iter(self.rows.values())

    def note(self, name, index, value, mean=None):
        self.rows[name].rounds[index] = value
        if mean is not None:
            self.rows[name].means.append(mean)

    def refuse(self, name, reason):
        self.rows[name].reason = self.rows[name].reason or reason

    def derive(self, index):
        """Fills in what follows from others, for one round. Rows stand after those that they need."""
        for row in self.rows.values():
            if row.derive is None:
                continue
            values = [self.rows[name].rounds.get(index) for name in row.inputs]
            if all(value is not None for value in values):
                row.rounds[index] = row.derive(*values)
                continue
            for name in row.inputs:
                if not self.rows[name].rounds and self.rows[name].reason:
                    self.refuse(row.id, self.rows[name].reason)

    def ratio(self, row):
        """The median over the rounds of the row by its floor in the same round; of medians where no round has both."""
        if row.floor is None or not row.rounds:
            return None

        def rounds_of(name):
            return self.rows[name].rounds

        def medians_of(name):
            rounds = self.rows[name].rounds
            return {0: statistics.median(rounds.values())} if rounds else {}

        pairs = [(value, row.floor.value(rounds_of, index)) for index, value in row.rounds.items()]
        ratios = [value / floor for value, floor in pairs if floor]
        if not ratios:
            floor = row.floor.value(medians_of, 0)
            ratios = [statistics.median(row.rounds.values()) / floor] if floor else []
        return statistics.median(ratios) if ratios else None

    def result(self, row):
        """The row as it stands in bench.json."""
        values = list(row.rounds.values())
        ratio = self.ratio(row)
        return {
            "group": row.group,
            "name": row.name,
            "id": row.id,
            "engine": row.engine or None,
            "unit": row.unit,
            "median": statistics.median(values) if values else None,
            "min": min(values) if values else None,
            "max": max(values) if values else None,
            "rounds": len(values),
            "mean": statistics.median(row.means) if row.means else None,
            "ratio": ratio,
            "floor": (row.floor.text or row.floor.short) if row.floor else None,
            "floor_short": row.floor.short if row.floor else None,
            "target_title": row.target.title if row.target else None,
            "target": row.target.text(row.floor) if row.target else None,
            "target_factor": row.target.factor if row.target else None,
            "target_at_least": row.target.at_least if row.target else None,
            "met": row.target.holds(ratio) if row.target and ratio is not None else None,
            "note": row.note or None,
            "reason": row.reason or (None if values else "no program printed it"),
        }


def missing(results):
    """Names of rows that have neither a figure nor a reason that somebody gave."""
    return [row["id"] for row in results
            if row["median"] is None and row["reason"] in (None, "", "no program printed it")]
