"""The examples that publish without Locust work."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import ModuleType
from typing import Any

import pytest

from locust_cw import Publisher
from support.fixtures import Aws
from support.locust_run import NO_CREDENTIALS, run_python
from support.paths import EXAMPLES
from support.servers import Target


@pytest.mark.parametrize("options", [[], ["--local"]], ids=["elsewhere", "local"])
@pytest.mark.parametrize("script", ["asyncio_load.py", "threads.py"])
def test_the_examples_publish_what_they_measure(
    aws: Aws, target: Target, tmp_path: Path, script: str, options: Sequence[str]
) -> None:
    """Unchanged, for a second."""
    served = target.served
    env = NO_CREDENTIALS if options else {"AWS_ENDPOINT_URL": aws.proxy.url}
    done = run_python(tmp_path, EXAMPLES / script, target.url, "--seconds", "1", *options, timeout=90, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all delivered" in done.stdout
    seen = target.served - served
    assert f"{seen:,}" in done.stdout
    if not options:
        assert sum(call.accepted for call in aws.proxy.calls("PutMetricData")) > 0


@pytest.mark.parametrize("script", ["asyncio_load.py", "threads.py"])
@pytest.mark.parametrize("host", ["https://service.example", "service.example"])
def test_an_example_refuses_an_unsupported_host(tmp_path: Path, script: str, host: str) -> None:
    """Plain HTTP to a TLS port would only produce failures."""
    done = run_python(tmp_path, EXAMPLES / script, host, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"must be an http:// URL, not {host}" in done.stderr


def example(script: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{Path(script).stem}", EXAMPLES / script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class WithoutLength(BaseRequestHandler):
    """Ends its response by closing the connection, as HTTP allows."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")


def test_a_response_without_a_length_counts_as_a_failure() -> None:
    get = example("asyncio_load.py").get
    with ThreadingTCPServer(("127.0.0.1", 0), WithoutLength) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ValueError, match="content-length"):
            asyncio.run(get(f"http://127.0.0.1:{server.server_address[1]}"))
        server.shutdown()


def test_an_exception_in_a_thread_of_the_example_is_shown(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = example("threads.py")

    def user(*_: object) -> None:
        raise KeyError("a mistake in the example's user")

    def published(**how: Any) -> Publisher:
        return Publisher(endpoint_url=aws.proxy.url, spool_dir=str(tmp_path), logs="off", **how)

    monkeypatch.setattr(threads, "user", user)
    monkeypatch.setattr(threads, "Publisher", published)
    monkeypatch.setattr(sys, "argv", ["threads.py", "http://service.example", "--seconds=0"])
    with pytest.raises(KeyError, match="a mistake"):
        threads.main()
