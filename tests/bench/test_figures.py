#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The arithmetic of the bench on numbers made up, and the shape of what it writes."""
import types
import unittest
import xml.etree.ElementTree

import plot
import rows
import show
from figures import Floor, Row, Table, Target, lower_quartile, missing


def table_with(ours, floor, target=None, bound=Floor("floor", ((1, "floor"),))):
    table = Table([Row("floor", "floors", "a floor", "us"), Row("ours", "ours", "ours", "us", "ptrace", bound, target)])
    for name, values in (("ours", ours), ("floor", floor)):
        for index, value in values.items():
            table.note(name, index, value)
    return table


class Figures(unittest.TestCase):
    def test_median_min_and_max(self):
        table = table_with({0: 3.0, 1: 1.0, 2: 8.0}, {})
        result = table.result(table.rows["ours"])
        self.assertEqual((result["median"], result["min"], result["max"], result["rounds"]), (3.0, 1.0, 8.0, 3))

    def test_the_ratio_is_the_median_of_ratios_within_rounds(self):
        # The machine is three times slower in round 1: the ratio of medians would be 15/10.
        table = table_with({0: 11.0, 1: 36.0, 2: 15.0}, {0: 10.0, 1: 30.0, 2: 10.0})
        self.assertAlmostEqual(table.ratio(table.rows["ours"]), 1.2)

    def test_rounds_that_one_side_lacks_do_not_count(self):
        table = table_with({0: 20.0, 1: 50.0}, {0: 10.0})
        self.assertAlmostEqual(table.ratio(table.rows["ours"]), 2.0)

    def test_medians_where_no_round_has_both(self):
        table = table_with({0: 20.0, 1: 40.0}, {2: 10.0})
        self.assertAlmostEqual(table.ratio(table.rows["ours"]), 3.0)

    def test_no_ratio_without_a_floor(self):
        table = table_with({0: 20.0}, {})
        self.assertIsNone(table.ratio(table.rows["ours"]))

    def test_a_limit_of_terms_and_a_constant(self):
        limit = Floor("limit", ((1.2, "floor"),), 300)
        table = table_with({0: 1500.0}, {0: 1000.0}, Target("t", 1), limit)
        self.assertAlmostEqual(table.ratio(table.rows["ours"]), 1.0)
        self.assertTrue(table.result(table.rows["ours"])["met"])

    def test_a_limit_that_is_a_constant(self):
        table = table_with({0: 600.0}, {}, Target("t", 1), Floor("0.5 ms", (), 500))
        self.assertAlmostEqual(table.ratio(table.rows["ours"]), 1.2)
        self.assertFalse(table.result(table.rows["ours"])["met"])

    def test_targets(self):
        self.assertTrue(Target("t", 1.2).holds(1.2))
        self.assertFalse(Target("t", 1.2).holds(1.21))
        self.assertTrue(Target("t", 100, at_least=True).holds(100))
        self.assertFalse(Target("t", 100, at_least=True).holds(99))

    def test_targets_in_words(self):
        floor = Floor("floor", ((1, "floor"),))
        self.assertEqual(Target("t", 1.2).text(floor), "<= 1.2 x floor")
        self.assertEqual(Target("t", 1, at_least=True).text(floor), ">= 1 x floor")
        self.assertEqual(Target("t", 1).text(Floor("0.5 ms", (), 500)), "<= 0.5 ms")

    def test_a_target_without_a_figure_is_neither_met_nor_broken(self):
        table = table_with({}, {0: 1.0}, Target("t", 1.2))
        table.refuse("ours", "not available")
        result = table.result(table.rows["ours"])
        self.assertEqual((result["met"], result["median"], result["reason"]), (None, None, "not available"))

    def test_derived_rows(self):
        table = Table([Row("a", "g", "a", "us"), Row("b", "g", "b", "us"),
                       Row("least", "g", "least", "us", derive=min, inputs=("a", "b"))])
        table.note("a", 0, 3.0)
        table.note("b", 0, 2.0)
        table.note("a", 1, 3.0)
        table.refuse("b", "was killed")
        table.derive(0)
        table.derive(1)
        self.assertEqual(table.rows["least"].rounds, {0: 2.0})
        self.assertEqual(table.rows["least"].reason, "")

    def test_a_derived_row_gives_the_reason_of_what_it_lacks(self):
        table = Table([Row("a", "g", "a", "us"),
                       Row("twice", "g", "twice", "us", derive=lambda a: 2 * a, inputs=("a",))])
        table.refuse("a", "not installed")
        table.derive(0)
        self.assertEqual(table.rows["twice"].reason, "not installed")

    def test_of_several_runs_the_lower_quartile_counts(self):
        self.assertEqual(lower_quartile([5.0]), 5.0)
        self.assertEqual(lower_quartile([9.0, 1.0, 2.0, 8.0, 7.0]), 2.0)

    def test_rows_that_nobody_produced_are_found(self):
        table = Table([Row("a", "g", "a", "us"), Row("b", "g", "b", "us"), Row("c", "g", "c", "us")])
        table.note("a", 0, 1.0)
        table.refuse("b", "not installed")
        self.assertEqual(missing([table.result(row) for row in table]), ["c"])

    def test_a_row_that_needs_one_that_is_not_there_is_refused(self):
        with self.assertRaises(ValueError):
            Table([Row("a", "g", "a", "us", floor=Floor("b", ((1, "b"),)))])
        with self.assertRaises(ValueError):
            Table([Row("a", "g", "a", "us"), Row("a", "g", "again", "us")])


def document_with(figure_of):
    """What bench.py writes if the figure of each row is figure_of(its number), None for none."""
    context = types.SimpleNamespace(short=False, programs="/programs", vmtrace="/vmtrace", scratch="/dev/null/",
                                    widest=1024, limit="", has_libsigsegv=True)
    builder = rows.Builder(context)
    for part in (builder.faults, builder.calls, builder.regions, builder.loops, builder.threads, builder.trace,
                 builder.memory, builder.libsigsegv):
        part()
    table = Table(builder.plan.rows)
    for number, row in enumerate(table):
        figure = figure_of(number)
        if figure is None:
            table.refuse(row.id, "not available: " + "a long reason " * 12)
        elif row.derive is None:
            table.note(row.id, 0, figure)
    table.derive(0)
    return {"version": 1, "date": "today", "short": False, "rounds": 1, "seconds": 1.0,
            "machine": {"cpu": "a CPU", "cpus": 2, "kernel": "6.1", "memory_bytes": 1 << 34, "load_before": 0.1,
                        "load_after": 0.1}, "rows": [table.result(row) for row in table]}


class Output(unittest.TestCase):
    FIGURES = (lambda _: 1e-5, lambda _: 7.0, lambda _: 123456.7, lambda number: [None, 3.0][number % 2],
               lambda _: None)

    def test_the_table_fits_into_its_width(self):
        for figure_of in self.FIGURES:
            for line in show.table(document_with(figure_of)).splitlines():
                self.assertLessEqual(len(line), show.WIDTH, line)

    def test_every_row_is_in_the_table(self):
        text = show.table(document_with(lambda _: 7.0))
        for row in document_with(lambda _: 7.0)["rows"]:
            self.assertIn(row["name"], text)

    def test_the_plot_is_xml_of_its_own(self):
        for figure_of in self.FIGURES:
            root = xml.etree.ElementTree.fromstring(plot.svg(document_with(figure_of)))
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
            for element in root.iter():
                self.assertFalse([name for name in element.attrib if name.endswith("href")])

    def test_no_name_of_a_row_is_cut(self):
        for row in document_with(lambda _: 7.0)["rows"]:
            self.assertLessEqual(len(row["name"]), 40, row["name"])


if __name__ == "__main__":
    unittest.main()
