"""Users of credentials: calls and publishers with the AWS settings of a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from locust_cw import Publisher, _core
from support.fixtures import Aws
from support.locust_run import Receipt
from support.proxy import Proxy

HOST = "http://service.example"
KEYS = "[default]\naws_access_key_id = {}\naws_secret_access_key = secret\n"
ROLE = "arn:aws:iam::000000000000:role/LoadTest"
INTERNAL = re.compile(r"cargo|feature|already taken|provider|unhandled", re.IGNORECASE)
"""Words of the SDK that no message may have."""


def configure(folder: Path, text: str, name: str = "config") -> Path:
    path = folder / ".aws" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def caller(aws: Aws, **options: Any) -> Any:
    return _core.Account({"endpoint_url": aws.proxy.url, **options}).call("GetCallerIdentity", {}).result()


def keys(proxy: Proxy, *operations: str) -> list[str]:
    """The access keys that signed the calls."""
    signed = [re.search(r"Credential=([^/]+)/", call.headers["authorization"]) for call in proxy.calls(*operations)]
    return [found[1] for found in signed if found]


def publisher(aws: Aws, folder: Path, **options: Any) -> Publisher:
    return Publisher(host=HOST, flush_interval=1, spool_dir=str(folder / "spool"), **aws.in_python, **options)


def receipt_of(publisher: Publisher) -> Receipt:
    receipt = publisher.close()
    assert receipt
    return Receipt(receipt.json)


def delivered(publisher: Publisher) -> Receipt:
    """The receipt of a run that was delivered completely."""
    receipt = receipt_of(publisher)
    for group in ("requests", "log_events"):
        assert receipt[group]["delivered"] == receipt[group]["observed"] > 0, receipt.fields
    return receipt
