# SPDX-License-Identifier: MIT
"""Runs modules of Python's own tests and prints a line a test: its name and how it ended. No times."""
import sys
import unittest
from test import support


class Lines(unittest.TestResult):
    """One line for each test, sub-tests that failed too."""

    def __init__(self):
        super().__init__()
        self.buffer = False

    @staticmethod
    def line(test, text):
        print(test.id(), text, flush=True)

    def addSuccess(self, test):
        self.line(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, "FAILED")
        print(self.failures[-1][1], file=sys.stderr)

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, "ERROR")
        print(self.errors[-1][1], file=sys.stderr)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.line(test, "FAILED in part")
            print(err[1], file=sys.stderr)

    def addSkip(self, test, reason):
        self.line(test, "skipped")

    def addExpectedFailure(self, test, err):
        self.line(test, "failed as expected")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.line(test, "succeeded, not as expected")


support.verbose = 0
result = Lines()
for name in sys.argv[1:]:
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
    except (ImportError, unittest.SkipTest) as error:
        print(name, "cannot be loaded:", error)
        continue
    suite.run(result)
print(result.testsRun, len(result.failures), len(result.errors))
sys.exit(not result.wasSuccessful())
