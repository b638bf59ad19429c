"""Fixtures: a local CloudWatch and a target for all tests; a proxy, a namespace and a log group for each.

When a test is over, every call it made AWS receive is held against AWS's limits.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from support import servers
from support.aws_limits import assert_within_limits
from support.cloudwatch import CloudWatch
from support.fixtures import Aws, Locust
from support.order import long_tests_first
from support.paths import SUPPORT
from support.proxy import Proxy
from support.servers import Target

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Else each process would compile all modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Without optimization, reading a machine's many authorities takes longer than the start of a run.
for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"):
    os.environ.pop(name, None)
os.environ["SSL_CERT_FILE"] = str(SUPPORT / "authority.pem")

# How long an example takes is up to what else the machine does. With `make fuzz-python` there are more of them.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", max_examples=2_000, deadline=None)
settings.load_profile("default")

# Tests break connections on purpose. Exceptions in finalizers must not appear in the output of a command under test.
sys.unraisablehook = lambda _: None

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would the Locust processes they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = long_tests_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_collection_finish() -> None:
    """Modules and tests live to the end. Examining them again and again takes a tenth of the processor time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the Locust processes of the test have printed."""
    report = yield
    locust = getattr(item, "funcargs", {}).get("locust")
    if report.when == "call" and report.failed and locust is not None:
        report.sections += [(f"Output of {name}", output) for name, output in locust.outputs()]
    return report


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local CloudWatch, one for each process of pytest."""
    with servers.ministack(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """The HTTP service under test."""
    with servers.target() as running:
        yield running


@pytest.fixture
def aws(ministack: str) -> Iterator[Aws]:
    name = f"test-{uuid.uuid4().hex[:12]}"
    with Proxy(ministack) as proxy:
        yield Aws(proxy, CloudWatch(ministack, name, f"/{name}"))
        assert_within_limits(proxy.calls())
    # It becomes slow with what it holds.
    servers.forget_all(ministack)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    from support.browser import chromium  # noqa: PLC0415 - few tests need it

    with chromium() as running:
        yield running


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """A browser without the pages of earlier tests, which would continue to poll."""
    assert not chrome.contexts
    yield chrome
    for context in chrome.contexts:
        context.close()


@pytest.fixture
def locust(aws: Aws, tmp_path: Path) -> Iterator[Locust]:
    with ExitStack() as stack:
        yield Locust(aws, tmp_path, stack)
