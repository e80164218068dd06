#!/usr/bin/env python3
"""Every using-declaration of a source is used by it. clang-tidy's misc-unused-using-decls looks at the main file alone,
which in a unity build is none of ours."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("cli", "exporters", "libruntime", "probes", "tests")
# `using a::b;` at the begin of a line or after one brace or semicolon; not `using namespace` and no alias.
DECLARATION = re.compile(r"(?:^|[{;])[ \t]*using\s+(?:typename\s+)?[\w:]*::(\w+)\s*;", re.M)


def code_of(text):
    """The text without comments and the contents of quotes, in which a name is not used."""
    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", " ", text, flags=re.S)


def unused(text):
    """Names that the source declares by `using` and has nowhere else."""
    code = code_of(text)
    return [name for name in DECLARATION.findall(code)
            if not re.search(rf"\b{name}\b", DECLARATION.sub(";", code))]


class Using(unittest.TestCase):
    def test_what_is_declared_is_used(self):
        files = [f for folder in FOLDERS for f in (ROOT / folder).rglob("*.cc")]
        self.assertGreater(len(files), 500)
        found = {f.relative_to(ROOT).as_posix(): unused(f.read_text(encoding="utf-8")) for f in files}
        self.assertEqual({f: names for f, names in found.items() if names}, {})

    def test_one_that_is_not_is_found(self):
        self.assertEqual(unused("using a::B;\nusing ::c;\nusing std::d;\nB f() { return {}; }\n"), ["c", "d"])
        self.assertEqual(unused("namespace {\n  using trace::IoMode;\n}\n// IoMode\nconst char* s = \"IoMode\";\n"), ["IoMode"])
        self.assertEqual(unused("using namespace std;\nusing Row = a::Row;\nusing std::swap;\nvoid f() { swap(x, y); }\n"), [])


if __name__ == "__main__":
    unittest.main()
