"""What has to be true of a wheel before anybody gets it. `make wheel` runs this on the one it built.

It renders on PyPI, keeps to the stable ABI where it says so, fits the platform it names, stays small, and installs and
runs where there is neither a compiler nor anything else but Python. Needs twine and abi3audit, on Linux auditwheel too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

MAX_BYTES = 6_000_000
"""Of one wheel: what a container or a pipeline downloads for each load generator."""

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
WITHOUT_LOCUST = "import locust_cw; locust_cw.Publisher"
WITH_LOCUST = "import locust_cw, locust; locust_cw.attach"


class UnfitError(Exception):
    """The wheel is not fit to be published; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL")
    wheels = parser.parse_args(arguments).wheels
    try:
        for wheel in wheels:
            look_at(wheel)
        install(wheels)
    except UnfitError as error:
        print(f"not fit to be published: {error}", file=sys.stderr)
        return 1
    return 0


def look_at(wheel: Path) -> None:
    """What can be told from the file."""
    size = wheel.stat().st_size
    print(f"== {wheel.name}: {size / 1e6:.1f} MB", flush=True)
    if size > MAX_BYTES:
        raise UnfitError(f"{wheel} has {size:,} bytes, and {MAX_BYTES:,} are the most; is it a development build?")
    run("-m", "twine", "check", "--strict", wheel)
    tags = parse_wheel_filename(wheel.name)[3]
    if any(tag.abi == "abi3" for tag in tags):
        run("-m", "abi3audit", "--strict", "--summary", wheel)
    if sys.platform == "linux" and any("linux" in tag.platform for tag in tags):
        run("-m", "auditwheel", "show", wheel)


def install(wheels: Sequence[Path]) -> None:
    """Install and run those that this Python takes, each in an empty environment whose path has no compiler."""
    takes = set(sys_tags())
    ours = [wheel for wheel in wheels if parse_wheel_filename(wheel.name)[3] & takes]
    if not ours:
        raise UnfitError(f"none is for this Python, {sys.version.split()[0]}, on this machine")
    for wheel in ours:
        with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
            venv.create(folder, with_pip=True)
            python, command = (Path(folder, SCRIPTS, name) for name in ("python", "locust-cw"))
            env = {name: value for name, value in os.environ.items() if name not in ("CC", "CARGO_HOME", "PYTHONPATH")}
            env |= {"PATH": str(python.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONSTRAINT": ""}
            before = used(Path(folder))
            run("-m", "pip", "install", "--quiet", "--no-deps", wheel, python=python, env=env)
            print(f"installed: {(used(Path(folder)) - before) / 1e6:.1f} MB", flush=True)
            run("-W", "error", "-c", WITHOUT_LOCUST, python=python, env=env)
            run("--help", python=command, env=env)
            run("-m", "pip", "install", "--quiet", wheel, python=python, env=env)
            run("-c", WITH_LOCUST, python=python, env=env)


def used(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def run(*arguments: str | Path, python: Path | str = sys.executable, env: dict[str, str] | None = None) -> None:
    if subprocess.run([python, *arguments], env=env, check=False).returncode:
        raise UnfitError(f"failed: {' '.join(map(str, [Path(python).name, *arguments]))}")


if __name__ == "__main__":
    sys.exit(main())
