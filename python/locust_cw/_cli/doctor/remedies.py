"""What to do about an error of AWS."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    import argparse

CLOSED_VPC = "in a VPC without internet access, create an interface endpoint with private DNS"

_DENIED = ("AccessDenied", "Unauthorized")
_BY_CODE = (
    (
        ("NotAws",),
        "The response is not from AWS: check --endpoint-url (of a test: --cw-endpoint-url), and proxies on the way.",
    ),
    (("NoRegion",), "Give --region, set AWS_REGION, or add a region to the profile."),
    (
        ("NoCredentials",),
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, run 'aws sso login', or use a role.",
    ),
    (("NotSent", "NoAnswer"), f"Check the network, the proxy and --endpoint-url; {CLOSED_VPC}."),
    (("Expired", "Skewed", "Signature"), "Set the clock (chronyc makestep), and get new credentials."),
    (
        ("UnrecognizedClient", "InvalidClientTokenId"),
        "Check the credentials, including the session token, and the region.",
    ),
)
"""Remedies by parts of error codes."""


def remedy_for(code: str, actions: str, options: argparse.Namespace, dashboard: str | None) -> str:
    """What to do about an error.

    Args:
        code: The error code of AWS or of the core.
        actions: The IAM actions that the call needs.
        options: The options of the command.
        dashboard: The name of the test's dashboard.

    """
    if code.startswith(_DENIED):
        return f"Allow {actions}: '{_policy_command(options, dashboard)}' prints the policy."
    known = (remedy for parts, remedy in _BY_CODE if any(part in code for part in parts))
    return next(known, "See the message of AWS. If the error is temporary, run this command again in some minutes.")


def _policy_command(options: argparse.Namespace, dashboard: str | None) -> str:
    """The command that prints the policy for the same options."""
    default = _core.default_options()
    words = ["locust-cw", "policy"]
    for name in ("namespace", "logs", "log_group", "log_stream"):
        if getattr(options, name) != default[name]:
            words += [f"--{name.replace('_', '-')}", getattr(options, name)]
    words += [] if dashboard is None else ["--dashboard", dashboard]
    words += [word for alarm in options.stop_on_alarm for word in ("--stop-on-alarm", alarm)]
    words += ["--role-arn", options.role_arn] if options.role_arn else []
    return shlex.join(words)
