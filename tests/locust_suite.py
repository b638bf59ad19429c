"""Locust's own tests have the same results with locust-cw registered as without. `make locust-suite` runs this.

    locust_suite.py [--repository WHERE] [--only TEST ...]

What the wheel and the source distribution of Locust leave out, its repository has: the tests are those of the installed
version's tag. They run against the installed Locust, first as it is, then with locust-cw imported in each process
before Locust and attached to each environment that the tests make, publishing to a local CloudWatch.

A test whose results differ is run again both ways, up to three times: some of Locust's tests fail now and then. It is a
difference if it never comes out the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from locust_cw import Publisher
from locust_cw._aws.local import LocalCloudWatch

REPOSITORY = "https://github.com/locustio/locust"
TIMEOUT_S = 120
"""Of one test. The slowest of Locust's takes half a minute."""
ROUNDS = 3
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}

EXPECTED = {
    "locust/test/test_log.py::TestLoggingOptions::test_skip_logging": "it wants no output, and there is the receipt",
    "locust/test/test_main.py::DistributedIntegrationTests::test_distributed_report_timeout_expired": (
        "it wants a worker that takes more than 10 ms to start, as Locust's does by parsing options many times"
    ),
}
"""What differs, and why it may."""

# Imported by every interpreter at its start: the tests start Locust as a command, too.
IN_EACH_PROCESS = "import locust_cw\n"
# Most of the tests give each environment events of its own, of which the import knows nothing.
IN_EACH_ENVIRONMENT = """\
import locust.env
import locust_cw

make = locust.env.Environment.__init__

def make_and_attach(self, *args, **kwargs):
    make(self, *args, **kwargs)
    locust_cw.attach(self)

locust.env.Environment.__init__ = make_and_attach
"""
SETTINGS = """\
[pytest]
filterwarnings =
    ignore::gevent.monkey.MonkeyPatchWarning
    ignore::DeprecationWarning:gevent
"""


@dataclass(frozen=True)
class Suite:
    """Locust with its tests in a folder of its own, and what may be added to it."""

    folder: Path
    cloudwatch: str

    def results(self, name: str, tests: Sequence[str], *, registered: bool) -> dict[str, str]:
        """What came of each test."""
        home = self.folder / name
        home.mkdir()
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "LOCUST_", "XDG_"))}
        env |= {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.cloudwatch,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "TMPDIR": str(home),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]]),
        }
        # The environment's own paths come last: the clone that this runs in, where it is not installed.
        paths = [str(self.folder / "locust"), *filter(None, [env.get("PYTHONPATH")])]
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        if registered:
            paths.insert(0, str(self.folder / "plugin"))
            command += ["-p", "in_each_environment"]
        report = home / "report.xml"
        with (home / "output").open("wb") as output:
            process = subprocess.Popen(
                [*command, f"--timeout={TIMEOUT_S}", f"--junitxml={report}", *tests],
                cwd=self.folder / "locust",
                env=env | {"PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait()
            finally:
                # A test that fails may leave a Locust behind, on a port that others need.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if not report.exists():
            raise SystemExit(f"the tests did not run to their end:\n{(home / 'output').read_text()[-4000:]}")
        return dict(read(report))

    def published(self, name: str) -> tuple[int, int]:
        """Runs and requests, as far as locust-cw keeps their records."""
        records = (self.folder / name / "state").rglob(".records/*.json")
        requests = [json.loads(path.read_text())["receipt"]["requests"]["delivered"] for path in records]
        return len(requests), sum(requests)


def read(report: Path) -> Iterator[tuple[str, str]]:
    """Each test of a report, by the name that pytest takes, and what came of it."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest's own
        module, *classes = split(case.attrib["classname"])
        test = "::".join([module, *classes, case.attrib["name"]])
        what = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        yield test, what[0] if what else "passed"


def split(name: str) -> list[str]:
    """`locust.test.test_web.TestAuth` as file and classes."""
    parts = name.split(".")
    length = next(index for index, part in enumerate(parts) if part.startswith("test_")) + 1
    return ["/".join(parts[:length]) + ".py", *parts[length:]]


@contextmanager
def prepared(repository: str) -> Iterator[Suite]:
    """The installed Locust, the tests of its version in it."""
    package = find_spec("locust")
    assert package is not None
    assert package.origin is not None
    with tempfile.TemporaryDirectory(prefix="locust-suite-") as name, LocalCloudWatch() as cloudwatch:
        folder = Path(name)
        source = folder / "source"
        clone = ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--depth=1"]
        subprocess.run([*clone, "--branch", version("locust"), repository, source], check=True)
        shutil.copytree(Path(package.origin).parent, folder / "locust" / "locust")
        shutil.copytree(source / "locust" / "test", folder / "locust" / "locust" / "test")
        shutil.copytree(source / "examples", folder / "locust" / "examples")
        (folder / "locust" / "pytest.ini").write_text(SETTINGS)
        (folder / "plugin").mkdir()
        (folder / "plugin" / "sitecustomize.py").write_text(IN_EACH_PROCESS)
        (folder / "plugin" / "in_each_environment.py").write_text(IN_EACH_ENVIRONMENT)
        warm_up(cloudwatch.endpoint_url, folder)
        yield Suite(folder, cloudwatch.endpoint_url)


def warm_up(cloudwatch: str, folder: Path) -> None:
    """Publish once: the local CloudWatch loads its services at the first calls, for longer than some tests wait."""
    os.environ |= CREDENTIALS | {"XDG_STATE_HOME": str(folder / "state")}
    with Publisher(endpoint_url=cloudwatch, drain_timeout=60) as publisher:
        publisher.record("GET", "/", 1.0)


def summary_of(results: dict[str, str]) -> str:
    return ", ".join(f"{number:,} {what}" for what, number in sorted(Counter(results.values()).items()))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repository", default=REPOSITORY, metavar="WHERE", help="Locust's, as git clone takes it")
    parser.add_argument("--only", nargs="+", default=["locust/test"], metavar="TEST", help="as pytest names them")
    args = parser.parse_args(arguments)
    with prepared(args.repository) as suite:
        without = suite.results("without", args.only, registered=False)
        print(f"without locust-cw: {summary_of(without)}", flush=True)
        registered = suite.results("registered", args.only, registered=True)
        runs, requests = suite.published("registered")
        print(f"with locust-cw: {summary_of(registered)}; published {runs:,} runs of {requests:,} requests", flush=True)
        tests = (without.keys() | registered.keys()) - EXPECTED.keys()
        differing = {test for test in tests if without.get(test) != registered.get(test)}
        for number in range(1, ROUNDS + 1):
            if not differing:
                break
            for test in sorted(differing):
                print(f"  {test}: {without.get(test)} without, {registered.get(test)} with", flush=True)
            without = suite.results(f"without-{number}", sorted(differing), registered=False)
            registered = suite.results(f"registered-{number}", sorted(differing), registered=True)
            differing = {test for test in differing if without.get(test) != registered.get(test)}
    if not runs:
        print("locust-cw published nothing: it was not registered", file=sys.stderr)
        return 1
    for test in sorted(differing):
        print(f"{test} differs: {without.get(test)} without, {registered.get(test)} with", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
