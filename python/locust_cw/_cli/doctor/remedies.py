"""What to do about an error of AWS."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from locust_cw import _core

if TYPE_CHECKING:
    import argparse

    from locust_cw._errors import ErrorKind

CLOSED_VPC = "in a VPC without internet access, create an interface endpoint with private DNS"

_BY_KIND: dict[ErrorKind, str] = {
    "not_aws": (
        "The response is not from AWS: check --endpoint-url (of a test: --cw-endpoint-url), and proxies on the way."
    ),
    "no_region": "Give --region, set AWS_REGION, or add a region to the profile.",
    "untrusted": "Give AWS_CA_BUNDLE a file with the CA certificate of the endpoint or proxy.",
    "unreachable": f"Check the network, the proxy and --endpoint-url; {CLOSED_VPC}.",
}
_BY_CODE = (
    (
        ("NoCredentials",),
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give --profile, run 'aws sso login', or use a role.",
    ),
    (
        ("Skewed", "RequestExpired", "InvalidSignatureException"),
        "Set the clock: timedatectl set-ntp true, or chronyc makestep.",
    ),
    (("Expired",), "Get new credentials: run 'aws sso login', or renew the session token."),
    (
        ("SignatureDoesNotMatch",),
        "Check AWS_SECRET_ACCESS_KEY or the profile: the secret key does not belong to the key ID.",
    ),
    (
        ("UnrecognizedClient", "InvalidClientTokenId"),
        "Check the credentials, including the session token, and the region.",
    ),
)
"""Remedies by parts of error codes, for errors about credentials."""


def remedy_for(error: _core.AwsError, actions: str, options: argparse.Namespace, dashboard: str | None) -> str:
    """What to do about an error.

    Args:
        error: The error.
        actions: The IAM actions that the call needs.
        options: The options of the command.
        dashboard: The name of the test's dashboard.

    """
    if error.stage == "credentials" and options.role_arn is not None:
        return f"Check that the credentials that assume the role are valid. Allow {actions}."
    if error.kind == "access_denied":
        return f"Allow {actions}: '{_policy_command(options, dashboard)}' prints the policy."
    if error.kind in _BY_KIND:
        return _BY_KIND[error.kind]
    known = (remedy for parts, remedy in _BY_CODE if any(part in error.code for part in parts))
    return next(known, "See the message of AWS. If the error is temporary, run this command again in some minutes.")


def _policy_command(options: argparse.Namespace, dashboard: str | None) -> str:
    """The command that prints the policy for the same options."""
    default = _core.default_options()
    words = ["locust-cw", "policy"]
    for name in ("namespace", "logs", "log_group", "log_stream"):
        if getattr(options, name) != default[name]:
            words += [f"--{name.replace('_', '-')}", getattr(options, name)]
    words += [] if options.record == "cloudwatch" else ["--record", options.record]
    words += [] if dashboard is None else ["--dashboard", dashboard]
    words += [word for alarm in options.stop_on_alarm for word in ("--stop-on-alarm", alarm)]
    words += [word for check in options.check for word in ("--check", check)]
    words += [] if options.baseline is None else ["--baseline", options.baseline]
    words += ["--role-arn", options.role_arn] if options.role_arn else []
    return shlex.join(words)
