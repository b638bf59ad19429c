"""Checks a wheel before its release. `make wheel` runs this on the wheel that it built.

A wheel must render on PyPI, use only the stable ABI if its name says so, fit the platform in its name, stay small, and
install and run with Python alone, without a compiler. Each wheel must be installed with at least one Python. The links
of the released description must be absolute. Needs twine and abi3audit, and auditwheel on Linux.
"""

from __future__ import annotations

import argparse
import email
import gzip
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

MAX_BYTES = 6_000_000
"""Of one wheel: what a container or a pipeline downloads for each load generator."""

MAX_SCRIPT_BYTES = 80_000
"""Of all scripts of the web UI, compressed: what a browser loads."""

CHARTS = {f"locust_cw/_webui/static/live.{kind}" for kind in ("js", "css", "LICENSE.txt")}
"""The charts of the web UI, and the license of what they contain. They need Node.js to build."""

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
WITHOUT_LOCUST = "import locust_cw; locust_cw.Publisher"
WITH_LOCUST = "import locust_cw, locust; locust_cw.attach"
WITHOUT_THE_LOCK = "import locust_cw, sys; locust_cw.Publisher; sys.exit(sys._is_gil_enabled())"
# pip's own: an interpreter that has nothing else has that.
TAGS = "from pip._vendor.packaging.tags import sys_tags; print(*sys_tags())"
LINK = re.compile(r"""\]\(([^)\s]+)|\b(?:href|src)=["']([^"']+)|^\[[^\]]+\]: *(\S+)""", re.MULTILINE)


class UnfitError(Exception):
    """The wheel is not fit to be published; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", nargs="+", type=Path, metavar="WHEEL")
    parser.add_argument("--python", action="append", default=[], metavar="PATH", help="one more to try them with")
    parser.add_argument("--for-pypi", action="store_true", help="docs/for_pypi.py was run before the build")
    args = parser.parse_args(arguments)
    try:
        for wheel in args.wheels:
            inspect(wheel)
            if args.for_pypi:
                leads_somewhere(wheel)
        install(args.wheels, [sys.executable, *args.python])
    except UnfitError as error:
        print(f"not fit to be published: {error}", file=sys.stderr)
        return 1
    return 0


def inspect(wheel: Path) -> None:
    """Check what the file shows without installing it."""
    size = wheel.stat().st_size
    print(f"== {wheel.name}: {size / 1e6:.1f} MB", flush=True)
    if size > MAX_BYTES:
        raise UnfitError(f"{wheel} has {size:,} bytes, and {MAX_BYTES:,} are the most; is it a development build?")
    has_charts(wheel)
    run("-m", "twine", "check", "--strict", wheel)
    tags = parse_wheel_filename(wheel.name)[3]
    if any(tag.abi == "abi3" for tag in tags):
        run("-m", "abi3audit", "--strict", "--summary", wheel)
    if sys.platform == "linux" and any("linux" in tag.platform for tag in tags):
        run("-m", "auditwheel", "show", wheel)


def has_charts(wheel: Path) -> None:
    """The charts of the web UI are there, once, and small."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        scripts = [
            archive.read(name) for name in names if name.startswith("locust_cw/_webui/") and name.endswith(".js")
        ]
    if missing := CHARTS - set(names):
        raise UnfitError(f"{wheel} has no {', '.join(sorted(missing))}: install Node.js, and run make again")
    if len(names) > len(set(names)):
        raise UnfitError(f"{wheel} has files twice")
    size = sum(len(gzip.compress(script)) for script in scripts)
    print(f"scripts of the web UI: {size / 1e3:.1f} kB compressed", flush=True)
    if size > MAX_SCRIPT_BYTES:
        raise UnfitError(
            f"the scripts of the web UI have {size:,} bytes compressed, and {MAX_SCRIPT_BYTES:,} are the most"
        )


def leads_somewhere(wheel: Path) -> None:
    """The description on PyPI links to the repository, and to pages and pictures that exist."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    links = ["".join(link) for link in LINK.findall(str(metadata.get_payload()))]
    relative = [link for link in links if not re.match(r"https?://", link)]
    if relative:
        raise UnfitError(f"{wheel}: on PyPI these lead nowhere: {', '.join(relative)}")
    if not metadata.get_all("Project-URL"):
        raise UnfitError(f"{wheel} does not say where its source is")


def install(wheels: Sequence[Path], pythons: Sequence[str]) -> None:
    """Install and run each with the Pythons that take it."""
    untried = {wheel.name for wheel in wheels}
    for python in pythons:
        done = subprocess.run([python, "-c", TAGS], stdout=subprocess.PIPE, text=True, check=True)
        takes = set(done.stdout.split())
        for wheel in wheels:
            if takes & {str(tag) for tag in parse_wheel_filename(wheel.name)[3]}:
                install_with(python, wheel)
                untried.discard(wheel.name)
    if untried:
        raise UnfitError(
            f"not installed: {', '.join(sorted(untried))}, because no Python of {', '.join(pythons)} can install it"
        )


def install_with(outer: str, wheel: Path) -> None:
    """In an empty environment whose path has no compiler."""
    with tempfile.TemporaryDirectory(prefix="wheel-") as folder:
        run("-m", "venv", folder, python=outer)
        python, command = (Path(folder, SCRIPTS, name) for name in ("python", "locust-cw"))
        env = {name: value for name, value in os.environ.items() if name not in ("CC", "CARGO_HOME", "PYTHONPATH")}
        env |= {"PATH": str(python.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONSTRAINT": ""}
        before = used(Path(folder))
        run("-m", "pip", "install", "--quiet", "--no-deps", wheel, python=python, env=env)
        print(f"installed with {outer}: {(used(Path(folder)) - before) / 1e6:.1f} MB", flush=True)
        run("-W", "error", "-c", WITHOUT_LOCUST, python=python, env=env)
        run("--help", python=command, env=env)
        if any(re.fullmatch(r"cp\d+t", tag.abi) for tag in parse_wheel_filename(wheel.name)[3]):
            # gevent has no wheel for it, and so Locust does not install.
            run("-W", "error", "-c", WITHOUT_THE_LOCK, python=python, env=env)
            return
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
