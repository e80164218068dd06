#!/usr/bin/env python3
"""summary.py counts test cases, not programs, and tells every reason of a skip."""

import contextlib
import io
import re
import tempfile
import unittest
from pathlib import Path

import summary


# What ctest writes for a program that skipped, and for one that is not there.
SKIPS = {"notrun": "SKIP_RETURN_CODE=77", "missing": "Unable to find executable"}


def report(*cases):
    body = ""
    for name, status, output in cases:
        body += f'<testcase name="{name}" status="{"notrun" if status in SKIPS else status}">'
        if status == "fail":
            body += "<failure/>"
        if status in SKIPS:
            body += f'<skipped message="{SKIPS[status]}"/>'
        body += f"<system-out>{output}</system-out></testcase>"
    return f"<testsuite>{body}</testsuite>"


def summed_up(*cases, second_try=None):
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, tried in (("first.xml", cases), ("second.xml", second_try)):
            if tried is None:
                continue
            paths.append(Path(folder, name))
            paths[-1].write_text(report(*tried), encoding="utf-8")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = summary.main(["dev=" + ",".join(map(str, paths))])
        return status, out.getvalue().splitlines()


class Summary(unittest.TestCase):
    def test_cases_of_a_program_that_passed_are_counted(self):
        status, lines = summed_up(("a", "run", "All tests passed (31 assertions in 7 test cases)\n"), ("b", "run", "fine"))
        self.assertEqual((status, lines[-1]), (0, "8 passed, 0 failed, 0 skipped"))

    def test_a_case_skipped_inside_a_program_that_passed_is_skipped(self):
        output = "SKIPPED: no BTF\nAll tests passed (3 assertions in 2 test cases)\n"
        status, lines = summed_up(("a", "run", output))
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("  skipped: a: no BTF", lines)

    def test_one_case_is_counted_as_one(self):
        self.assertEqual(summed_up(("a", "run", "All tests passed (1 assertion in 1 test case)\n"))[1][-1],
                         "1 passed, 0 failed, 0 skipped")

    def test_a_program_in_which_all_cases_were_skipped(self):
        status, lines = summed_up(("ok", "run", ""), ("a", "notrun", "SKIPPED: not root\nSKIPPED: not root\n"))
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed, 2 skipped"))
        self.assertIn("  skipped: a: not root (2 times)", lines)

    def test_failed_cases_beside_passed_ones(self):
        output = "test cases: 9 | 7 passed | 2 failed\nassertions: 99 | 90 passed | 9 failed\n"
        status, lines = summed_up(("a", "fail", output))
        self.assertEqual((status, lines[-1]), (1, "7 passed, 2 failed, 0 skipped"))
        self.assertIn("  failed: a", lines)

    def test_a_program_where_everything_failed(self):
        self.assertEqual(summed_up(("a", "fail", "test cases: 1 | 1 failed\n"))[1][-1], "0 passed, 1 failed, 0 skipped")

    def test_a_crash_counts_as_a_failure(self):
        self.assertEqual(summed_up(("a", "fail", "Segmentation fault"))[1][-1], "0 passed, 1 failed, 0 skipped")

    def test_a_program_that_is_not_there_is_a_failure(self):
        status, lines = summed_up(("a", "missing", "Unable to find executable: a"))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))
        self.assertIn("  failed: a (Unable to find executable)", lines)

    def test_what_passes_in_its_second_try_is_called_flaky(self):
        status, lines = summed_up(("a", "fail", "test cases: 2 | 1 passed | 1 failed\n"), ("b", "run", ""),
                                  second_try=[("a", "run", "All tests passed (2 assertions in 2 test cases)\n")])
        self.assertEqual((status, lines[-1]), (0, "3 passed, 0 failed, 0 skipped"))
        self.assertIn("  FLAKY: a: failed, and passed in its second try", lines)

    def test_what_fails_twice_has_failed(self):
        status, lines = summed_up(("a", "fail", ""), ("b", "run", ""), second_try=[("a", "fail", "")])
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("  failed: a", lines)
        self.assertNotIn("FLAKY", "".join(lines))

    def test_nothing_run_is_no_success(self):
        self.assertEqual(summed_up()[0], 1)


class BackEnds(unittest.TestCase):
    def table(self, **reports):
        with tempfile.TemporaryDirectory() as folder:
            arguments = []
            for name, cases in reports.items():
                path = Path(folder, name + ".xml")
                path.write_text(report(*cases), encoding="utf-8")
                arguments.append(f"{name}={path}")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                summary.main(arguments)
        lines = [re.split(r"  +", line) for line in out.getvalue().splitlines()]
        at = next((i for i, line in enumerate(lines) if line[0] == "suite"), None)
        return None if at is None else lines[at:-1]

    def test_suites_that_ran_over_several_are_in_a_table_and_others_are_not(self):
        three = "All tests passed (9 assertions in 3 test cases)\n"
        partly = "test cases: 3 | 2 passed | 1 failed\n"
        skips = "SKIPPED: no io_uring\nAll tests passed (9 assertions in 3 test cases)\n"
        self.assertEqual(
            self.table(test=[("net_test.procs1", "run", three), ("net_test.procs2", "run", three),
                             ("net_test_uring.procs1", "run", skips), ("test_stress_kqueue", "fail", partly),
                             ("test_stress", "run", three), ("cli.run", "run", three)],
                       tsan=[("net_test.procs1", "run", three)],
                       windows=[("net_test.procs1", "run", three)]),
            [["suite", "epoll", "kqueue", "uring", "iocp"],
             ["net_test", "9 passed", "-", "2 passed, 1 skipped", "3 passed"],
             ["test_stress", "3 passed", "2 passed, 1 failed", "-", "-"]])

    def test_there_is_none_where_nothing_ran_over_several(self):
        self.assertIsNone(self.table(test=[("net_test", "run", "")]))

    def test_every_back_end_that_tests_are_repeated_over_has_a_column(self):
        tests = Path(__file__).resolve().parents[1]
        named = set()
        for path in tests.rglob("CMakeLists.txt"):
            named |= set(re.findall(r"^ *netpoll_add_back_end_test\((\w+) ", path.read_text(encoding="utf-8"), re.M))
        self.assertEqual(named, set(summary.BACK_ENDS))


if __name__ == "__main__":
    unittest.main()
