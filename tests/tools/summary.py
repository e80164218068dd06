#!/usr/bin/env python3
"""Sums up what ctest ran: summary.py NAME=JUNIT.xml[,SECOND_TRY.xml]...

Prints, for each named run, the counts, every failure and the reason of every skip; then, of the suites that ran over
several back ends of libruntime's poller, a table of suite and back end; the last line is "N passed, N failed, N skipped"
over all of them. Counts are test cases where a program tells how many it ran (Catch2),
programs otherwise, so that a case that was skipped inside a program that passed is counted as skipped. What failed and passed in a second
try counts as passed and is listed as FLAKY, by name. Exit status: 1 when something failed or nothing ran.
"""

import re
import sys
import xml.etree.ElementTree as xml
from collections import Counter

SKIPPED = re.compile(r"^SKIPPED: (.*)$", re.M)
ALL_PASSED = re.compile(r"^All tests passed \(.*? in (\d+) test cases?\)", re.M)
SOME_FAILED = re.compile(r"^test cases: +(\d+) \|(?:.*? (\d+) passed)?.*?(\d+) failed", re.M)
NO_ASSERTIONS = re.compile(r"^test cases: +(\d+) \| +\d+ passed$|^No assertions? in", re.M)


# The ends of names that netpoll_add_back_end_test gives, and what a suite without one runs over, by run.
BACK_ENDS = ("kqueue", "uring")
PLATFORM_BACK_ENDS = {"windows": "iocp"}
OWN_BACK_END = "epoll"
VARIANT = re.compile(r"^(?P<suite>.*?)(?:_(?P<back_end>" + "|".join(BACK_ENDS) + r"))?(?:[.]procs\d+)?$")


class Run:
    """One ctest run: its counts, failures and skips."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.flaky = []
        self.reasons = Counter()
        self.by_back_end = {}  # suite -> back end -> [passed, failed, skipped]

    def add_tries(self, tries):
        """Adds what was reported; in each try but the first, only what failed in the one before was run again."""
        last = {}
        again = []
        for cases in tries:
            for case in cases:
                if case.get("name") in last:
                    again.append(case.get("name"))
                last[case.get("name")] = case
        for case in last.values():
            before = (self.passed, self.failed, self.skipped)
            self.add(case)
            after = (self.passed, self.failed, self.skipped)
            if case.get("name") in again and self.failed == before[1]:
                self.flaky.append(case.get("name"))
            variant = VARIANT.match(case.get("name"))
            back_end = variant["back_end"] or PLATFORM_BACK_ENDS.get(self.name, OWN_BACK_END)
            counts = self.by_back_end.setdefault(variant["suite"], {}).setdefault(back_end, [0, 0, 0])
            for i in range(3):
                counts[i] += after[i] - before[i]

    def add(self, case):
        name = case.get("name")
        status = case.get("status")
        output = case.findtext("system-out") or ""
        reasons = SKIPPED.findall(output)
        if status == "disabled":
            reasons = ["disabled in CMake"]
        self.reasons.update((name, reason) for reason in reasons)
        if status == "fail" or case.find("failure") is not None:
            partly = SOME_FAILED.search(output)
            failed = int(partly.group(3)) if partly else 1
            passed = int(partly.group(2) or 0) if partly else 0
            self.failed += failed
            self.passed += max(0, passed - len(reasons))
            self.skipped += len(reasons)
            self.failures.append(name)
        elif status == "run":
            whole = ALL_PASSED.search(output) or NO_ASSERTIONS.search(output)
            cases = int(whole.group(1)) if whole and whole.group(1) else max(1, len(reasons))
            self.skipped += min(len(reasons), cases)
            self.passed += max(0, cases - len(reasons))
        elif status == "disabled" or self.says_skip(case):
            self.skipped += max(1, len(reasons))
            if not reasons:
                self.reasons[(name, "no reason given")] += 1
        else:
            self.failed += 1
            skipped = case.find("skipped")
            self.failures.append(f"{name} ({status if skipped is None else skipped.get('message')})")

    @staticmethod
    def says_skip(case):
        """Whether the program itself said that it skips; ctest calls one that it cannot find "skipped" as well."""
        skipped = case.find("skipped")
        return skipped is not None and (skipped.get("message") or "").startswith("SKIP_")

    def print(self):
        print(f"{self.name}: {self.passed} passed, {self.failed} failed, {self.skipped} skipped.")
        for failure in self.failures:
            print(f"  failed: {failure}")
        for name in self.flaky:
            print(f"  FLAKY: {name}: failed, and passed in its second try")
        for (test, reason), count in self.reasons.items():
            print(f"  skipped: {test}: {reason}" + (f" ({count} times)" if count > 1 else ""))


def back_end_table(runs):
    """Lines of suite by back end, of suites that ran over more than one; with all runs added up."""
    suites = {}
    for run in runs:
        for suite, back_ends in run.by_back_end.items():
            for back_end, counts in back_ends.items():
                sums = suites.setdefault(suite, {}).setdefault(back_end, [0, 0, 0])
                for i, count in enumerate(counts):
                    sums[i] += count
    suites = {suite: back_ends for suite, back_ends in sorted(suites.items()) if len(back_ends) > 1}
    if not suites:
        return []
    columns = [OWN_BACK_END, *BACK_ENDS, *PLATFORM_BACK_ENDS.values()]

    def cell(counts):
        if counts is None:
            return "-"
        passed, failed, skipped = counts
        return f"{passed} passed" + (f", {failed} failed" if failed else "") + (f", {skipped} skipped" if skipped else "")

    rows = [["suite", *columns]]
    rows += [[suite, *(cell(back_ends.get(column)) for column in columns)] for suite, back_ends in suites.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    runs = []
    for argument in arguments:
        name, _, paths = argument.partition("=")
        run = Run(name)
        run.add_tries(xml.parse(path).getroot().iter("testcase") for path in paths.split(","))
        run.print()
        runs.append(run)
    for line in back_end_table(runs):
        print(line)
    passed = sum(run.passed for run in runs)
    failed = sum(run.failed for run in runs)
    skipped = sum(run.skipped for run in runs)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
