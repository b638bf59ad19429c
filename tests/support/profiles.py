"""AWS profiles, and what calls were signed with."""

from __future__ import annotations

import re

from support.proxy import Proxy

PROFILES = """\
[profile shop]
region = eu-north-1
aws_access_key_id = AKIASHOP
aws_secret_access_key = secret

[profile other]
region = ap-southeast-2
aws_access_key_id = AKIAOTHER
aws_secret_access_key = secret
"""


def signed_with(proxy: Proxy, operation: str) -> set[str]:
    """Key and region of the calls so far."""
    headers = (call.headers["authorization"] for call in proxy.calls(operation))
    found = (re.search(r"Credential=([^/]+)/\d+/([^/]+)/", header) for header in headers)
    return {f"{match[1]} {match[2]}" for match in found if match}
