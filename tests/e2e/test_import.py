"""`import locust_cw` registers the hooks and does nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.fixtures import Locust
from support.locust_run import run_python

PROBE = """
import json, os, sys
def seen():
    return {"threads": len(os.listdir("/proc/self/task")), "files": sorted(
        link for fd in os.listdir("/proc/self/fd") if (link := _link(fd)) and not link.startswith("/proc"))}
def _link(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
%s
before = seen()
import locust_cw
import locust_cw
first = locust_cw
del sys.modules["locust_cw"]
import locust_cw
after = seen()
print(json.dumps({"before": before, "after": after, "locust": "locust" in sys.modules and bool(sys.modules["locust"])}))
"""

PRELUDES = {
    "without Locust imported": "",
    "without Locust installed": """
class Missing:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "locust":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
""",
    "after Locust": "import locust",
    "under gevent": "import gevent.monkey; gevent.monkey.patch_all()",
}


def run(folder: Path, probe: str) -> str:
    """Run a program, and return its output."""
    done = run_python(folder, "-c", probe, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("prelude", PRELUDES.values(), ids=PRELUDES)
def test_import_makes_no_thread_opens_nothing_and_needs_no_locust(tmp_path: Path, prelude: str) -> None:
    """In several kinds of program, and if it is imported repeatedly."""
    found: dict[str, Any] = json.loads(run(tmp_path, PROBE % prelude))
    assert found["after"] == found["before"]
    assert found["locust"] == (prelude == "import locust")
    assert not list(tmp_path.iterdir())


def test_rarely_used_names_import_their_modules_at_first_use(tmp_path: Path) -> None:
    """All public names exist, and other names raise an AttributeError."""
    probe = (
        "import sys, locust_cw\n"
        "assert not {'locust_cw._aws.local', 'locust_cw._plugin.session', 'locust', 'gevent'} & set(sys.modules)\n"
        "from locust_cw import LocalCloudWatchError\n"
        "assert issubclass(LocalCloudWatchError, RuntimeError) and 'gevent' not in sys.modules\n"
        "assert all(hasattr(locust_cw, name) for name in locust_cw.__all__)\n"
        "assert locust_cw.Session.close and 'locust' not in sys.modules\n"
        "assert not hasattr(locust_cw, 'Nonsense')"
    )
    run(tmp_path, probe)


def test_the_package_is_typed(tmp_path: Path) -> None:
    probe = "import locust_cw, pathlib; print((pathlib.Path(locust_cw.__file__).parent / 'py.typed').exists())"
    assert run(tmp_path, probe).strip() == "True"


def test_boto3_is_not_needed(tmp_path: Path) -> None:
    probe = "import sys; sys.modules['boto3'] = sys.modules['botocore'] = None; import locust; import locust_cw"
    run(tmp_path, probe)


def test_a_repeated_import_registers_once(tmp_path: Path) -> None:
    """As in programs that reload a locustfile and its imports."""
    probe = (
        "import importlib, locust; from locust.argument_parser import get_parser\n"
        "import locust_cw; importlib.reload(locust_cw)\n"
        "assert len(locust.events.init._handlers) == 1\n"
        "get_parser().parse_args(['--cw-live'])"
    )
    run(tmp_path, probe)


LOOKS = {
    "without a look": "",
    "after a look": "assert importlib.util.find_spec('locust').loader.get_filename('locust')",
    "after a failure": """
import gevent.monkey
patch_all, gevent.monkey.patch_all = gevent.monkey.patch_all, None
try:
    import locust
except TypeError:
    pass
gevent.monkey.patch_all = patch_all
""",
    "imported anew before": "del sys.modules['locust_cw']; import locust_cw",
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_an_import_before_locust_registers_and_removes_its_import_hook(tmp_path: Path, look: str) -> None:
    """Once, with the first successful import. Locust's module keeps its own loader, which reads its files."""
    probe = f"""
import importlib.resources, importlib.util, pkgutil, sys
import locust_cw
{look}
assert "locust" not in sys.modules
import locust
assert len(locust.events.init._handlers) == 1
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("locust_cw")]
assert importlib.resources.files("locust").joinpath("__init__.py").is_file()
assert pkgutil.get_data("locust", "__init__.py")
assert type(locust.__loader__) is type(locust.__spec__.loader) is type(locust_cw.__loader__)
"""
    run(tmp_path, probe)


MAX_LINES = 1_500
"""Lines of code of our modules in a process that applies load."""

NEEDED = {"", "_errors", "_extensions", "_plugin", "_settings"}
"""The folders and modules that such a process needs."""

FOR_THE_SUMMARY = {"locust_cw._terminal", "locust_cw._terminal.redaction"}
"""What the startup summary needs besides: an endpoint without passwords."""


def test_a_process_that_makes_load_imports_only_what_it_needs(locust: Locust) -> None:
    """A live test without a web UI, a fleet or an extension. Other modules are imported at the end, or never."""
    run = locust.run("loaded.py", "--cw-live", "-t", "3s", "--host", "http://walked.test", new_interpreter=True)
    run.receipt.check_delivered()
    lines: dict[str, int] = json.loads((run.folder / "modules.json").read_text())
    others = {name for name in lines if (name + ".").split(".")[1] not in NEEDED}
    assert others <= FOR_THE_SUMMARY
    assert sum(lines.values()) <= MAX_LINES, lines
