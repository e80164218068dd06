#!/usr/bin/env python3
"""Runs each shell line of the examples in packaging/ci, as their CI would: ci_examples_test.py BINARY CI_FOLDER

Each example passes on its first run, which makes the baseline, and on the next; under a budget that nothing can meet its
gate fails.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from checks import check, exit_status  # noqa: E402

try:
    import yaml
except ImportError:
    print("SKIPPED: python3-yaml is not installed")
    sys.exit(77)

STRICT = 'version = 1\n[limits."operations"]\nmax = 1\n'


def github_steps(document):
    return [step["run"] for step in document["jobs"]["gate"]["steps"] if "run" in step]


def gitlab_steps(document):
    return document["poller-gate"]["script"]


def main():
    binary, folder = sys.argv[1], Path(sys.argv[2])
    examples = {"github-actions.yml": (github_steps, "::notice title=netpoll-trace compare%3A ok::"),
                "gitlab-ci.yml": (gitlab_steps, "turns: ")}
    check({f.name for f in folder.glob("*.yml")} == set(examples), "every example is run", list(folder.glob("*.yml")))
    for name, (steps_of, expected) in examples.items():
        steps = steps_of(yaml.safe_load((folder / name).read_text()))
        check(len(steps) >= 3, f"{name} has steps")
        with tempfile.TemporaryDirectory() as work:
            tools = Path(work) / "bin"
            tools.mkdir()
            (tools / "netpoll-trace").symlink_to(binary)
            shutil.copy(folder / "netpoll.toml", work)
            environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": f"{work}/summary.md"}

            def run(step):
                return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step], cwd=work, env=environment,
                                      capture_output=True, text=True, timeout=240)

            output = ""
            for turn in (1, 2):
                for step in steps:
                    done = run(step)
                    output += done.stdout
                    check(done.returncode == 0, f"{name}, turn {turn}: {step}", done.stdout + done.stderr)
            check(expected in output, f"{name} says {expected}", output[-2000:])
            check(len(list((Path(work) / "baselines").iterdir())) == 1, f"{name} keeps one baseline")
            if "GITHUB_STEP_SUMMARY" in (folder / name).read_text():
                check("### netpoll-trace compare: ok" in (Path(work) / "summary.md").read_text(), f"{name} sums up")
            (Path(work) / "netpoll.toml").write_text(STRICT)
            gate = next(step for step in steps if "--update" in step)
            check(run(gate).returncode == 1, f"the gate of {name} can fail", gate)
        print(f"ran {name}: {len(steps)} steps, twice")
    return exit_status()


sys.exit(main())
