#!/usr/bin/env python3
"""Every source begins with a sentence that says what lives there, and no comment was broken by the formatter."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREES = ("libruntime", "probes", "exporters", "cli", "tests")
SUFFIXES = (".cc", ".c", ".h", ".S")

FIRST = re.compile(r"(?:/\* SPDX-[^\n]*\*/\n)?(?:((?://[^\n]*\n)+)|/\*(.*?)\*/)", re.S)
BODY = re.compile(r"^\s*//(\s*)(.*)$")


def sources():
    for tree in TREES:
        for file in sorted((ROOT / tree).rglob("*")):
            if file.suffix in SUFFIXES and file.is_file():
                yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


def first_comment(text):
    """The text of the comment that a file begins with, on one line; empty when it begins with anything else."""
    match = FIRST.match(text)
    if not match:
        return ""
    return " ".join(re.sub(r"^\s*(?://|\*)\s?", "", line).strip() for line in (match[1] or match[2]).split("\n")).strip()


def broken_lines(text):
    """Numbers of lines that hold one word of a sentence which goes on further to the right: clang-format breaks a line
    of an indented comment so, when it was longer than 120 columns."""
    lines = text.split("\n")
    for number, (line, following) in enumerate(zip(lines, lines[1:]), 1):
        here, there = BODY.match(line), BODY.match(following)
        if here and there and re.fullmatch(r"\w+", here[2]) and len(there[1]) > len(here[1]) and there[2][:1].islower():
            yield number


class Comments(unittest.TestCase):
    def test_every_source_begins_with_a_sentence(self):
        silent = [path for path, text in sources() if not re.search(r"\w[^.:]*[.:](?:\s|$)", first_comment(text))]
        self.assertEqual(silent, [])

    def test_no_comment_was_broken_by_the_formatter(self):
        broken = [f"{path}:{number}" for path, text in sources() for number in broken_lines(text)]
        self.assertEqual(broken, [])

    def test_the_checks_see_what_they_look_for(self):
        self.assertEqual(first_comment("int x;\n"), "")
        self.assertEqual(first_comment("// Does this.\n// And that.\n\nint x;\n"), "Does this. And that.")
        self.assertEqual(first_comment("/* SPDX-License-Identifier: X */\n/*\n * Does this.\n */\n"), "Does this.")
        self.assertEqual(list(broken_lines("//  - what comes first.\n//  The\n//    rest of it.\n")), [2])
        self.assertEqual(list(broken_lines("//  - what comes first\n//    and goes on\n//    here.\n")), [])


if __name__ == "__main__":
    unittest.main()
