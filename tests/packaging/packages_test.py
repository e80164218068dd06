#!/usr/bin/env python3
"""The packages that cpack makes: packages_test.py BUILD_FOLDER VERSION

The archive runs where it was unpacked, the Debian packages satisfy lintian, and each has manual pages, completions, unit
and schemas in their places.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD, VERSION = Path(sys.argv[1]), sys.argv[2]
PATIENCE = 500
# What else is where, below the prefix.
FILES = ["bin/netpoll-trace", "share/man/man1/netpoll-trace.1", "share/man/man1/netpoll-trace-serve.1",
         "share/man/man7/netpoll-trace-json.7", "share/man/man7/netpoll-tracepoints.7",
         "share/bash-completion/completions/netpoll-trace", "share/zsh/vendor-completions/_netpoll-trace",
         "share/fish/vendor_completions.d/netpoll-trace.fish", "lib/systemd/system/netpoll-trace-serve@.service",
         "share/netpoll-trace/schemas/stat.json", "share/netpoll-trace/monitoring/alerts.yml",
         "share/netpoll-trace/monitoring/grafana-dashboard.json"]


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.out = Path(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def packed(self, generator, pattern):
        done = run("cpack", "-G", generator, "--config", str(BUILD / "CPackConfig.cmake"), "-B", str(self.out / generator))
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        found = sorted((self.out / generator).glob(pattern))
        self.assertTrue(found, done.stdout)
        return found

    def test_an_archive_runs_where_it_is_unpacked(self):
        archive, = self.packed("TGZ", "*.tar.gz")
        self.assertIn(VERSION, archive.name)
        root = self.out / "unpacked"
        root.mkdir()
        self.assertEqual(run("tar", "-xzf", str(archive), "-C", str(root)).returncode, 0)
        binary, = root.glob("**/bin/netpoll-trace")
        self.assertEqual(run(str(binary), "--version").stdout, f"netpoll-trace {VERSION}\n")
        done = run(str(binary), "run", "echo", "--conns", "2", "--ops", "100", "--json", "-q")
        self.assertEqual(json.loads(done.stdout)["operations"], 100)
        prefix = binary.parent.parent
        for name in FILES:
            self.assertTrue((prefix / name).exists() or (prefix / (name + ".gz")).exists(), name)
        self.assertTrue(list(prefix.glob("lib/**/libnetpoll.a")))
        self.assertNotIn(b".debug_info", run("readelf", "-SW", str(binary)).stdout.encode())

    @unittest.skipUnless(shutil.which("dpkg-deb") and shutil.which("dpkg-shlibdeps"), "dpkg-dev is not installed")
    def test_debian_packages_are_complete_and_lintian_has_nothing_to_say(self):
        packages = {re.match("[a-z-]+", file.name).group(): file for file in self.packed("DEB", "*.deb")}
        self.assertEqual(set(packages), {"netpoll-trace", "libnetpoll-dev"})
        tool = packages["netpoll-trace"]
        listed = run("dpkg-deb", "-c", str(tool)).stdout
        for name in FILES:
            self.assertRegex(listed, rf"\./usr/{re.escape(name)}(\.gz)?\n")
        root = self.out / "installed"
        self.assertEqual(run("dpkg-deb", "-x", str(tool), str(root)).returncode, 0)
        self.assertEqual(run(str(root / "usr/bin/netpoll-trace"), "--version").stdout, f"netpoll-trace {VERSION}\n")
        with gzip.open(root / "usr/share/man/man1/netpoll-trace-serve.1.gz", "rt") as page:
            self.assertIn("serve", page.read())
        depends = run("dpkg-deb", "-f", str(tool), "Depends").stdout
        for library in ("libc6", "libstdc++6"):
            self.assertIn(library, depends)
        listed = run("dpkg-deb", "-c", str(packages["libnetpoll-dev"])).stdout
        for name in ("include/netpoll/runtime.h", "netpollConfig.cmake", "netpoll.pc", "libnetpoll.a"):
            self.assertIn(name, listed)
        if not shutil.which("lintian"):
            self.skipTest("lintian is not installed: the rest held")
        # Where libraries go is asked when the build is configured, and here not for /usr: packaging/RELEASING.md does.
        done = run("lintian", "--allow-root", "--tag-display-limit", "0", "--suppress-tags",
                   "pkg-config-unavailable-for-cross-compilation", *map(str, packages.values()))
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    @unittest.skipUnless(shutil.which("rpmbuild"), "rpm is not installed")
    def test_rpm_packages_have_the_same_files(self):
        packages = self.packed("RPM", "*.rpm")
        self.assertEqual(len(packages), 2)
        tool, = [file for file in packages if file.name.startswith("netpoll-trace")]
        listed = run("rpm", "-qlp", str(tool), env={**os.environ, "HOME": str(self.out)}).stdout.splitlines()
        for name in FILES:
            self.assertTrue({f"/usr/{name}", f"/usr/{name}.gz"} & set(listed), name)
        facts = run("rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{LICENSE}", str(tool)).stdout
        self.assertEqual(facts, f"netpoll-trace {VERSION} Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
