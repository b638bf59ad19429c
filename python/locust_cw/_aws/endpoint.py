"""Where CloudWatch is: at AWS's own address, or at another, found as the SDK finds it, to be told and for links."""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from locust_cw._core import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

Service: TypeAlias = Literal["cloudwatch", "cloudwatch_logs"]

_IGNORED = "ignore_configured_endpoint_urls"


@dataclass(frozen=True)
class Partition:
    """A part of AWS that is apart from the others.

    Attributes:
        name: As it stands in ARNs.
        regions: How the names of its regions begin.
        domain: Of its services.
        console: Domain of its console.

    """

    name: str
    regions: str
    domain: str
    console: str


_PARTITIONS = (
    Partition("aws-cn", "cn-", "amazonaws.com.cn", "amazonaws.cn"),
    Partition("aws-us-gov", "us-gov-", "amazonaws.com", "amazonaws-us-gov.com"),
    Partition("aws", "", "amazonaws.com", "aws.amazon.com"),
)


def partition_of(region: str) -> Partition:
    """The partition of AWS that a region belongs to."""
    return next(each for each in _PARTITIONS if region.startswith(each.regions))


def check_local(options: Mapping[str, Any]) -> None:
    """Check that CloudWatch is in one place: a local one has an endpoint of its own.

    Args:
        options: Those of the core.

    Raises:
        InvalidOptionError: If another endpoint is given beside it.

    """
    if options.get("local") and options.get("endpoint_url"):
        raise InvalidOptionError("local", "not together with --cw-endpoint-url")


def endpoint_of(options: Mapping[str, Any], service: Service) -> str | None:
    """The URL of a service that is not at AWS's own address.

    From the option, the environment, or the profile in the AWS configuration file: its own section for services, then
    what holds for all of them.

    Args:
        options: Those of the core.
        service: Which one.

    Returns:
        The URL, with all that is in it; None where it is AWS's own, or where the file cannot be read.

    """
    if given := options.get("endpoint_url"):
        return str(given)
    parser = _configuration()
    name = options.get("profile") or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE") or "default"
    section = f"profile {name}"
    if name == "default" and not parser.has_section(section):
        section = name
    profile = dict(parser[section]) if parser.has_section(section) else {}
    if (os.environ.get(f"AWS_{_IGNORED.upper()}") or profile.get(_IGNORED, "")).lower() == "true":
        return None
    # The SDK has a hyphen here. Settings of one service are set in below its name.
    services = parser.get(f"services {profile.get('services')}", service.replace("_", "-"), fallback="")
    of_service = dict(line.replace(" ", "").split("=", 1) for line in services.splitlines() if "=" in line)
    return (
        os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        or os.environ.get("AWS_ENDPOINT_URL")
        or of_service.get("endpoint_url")
        or profile.get("endpoint_url")
        or None
    )


def _configuration() -> configparser.ConfigParser:
    """The AWS configuration file; without a section where there is none, or it is none."""
    parser = _parser()
    try:
        parser.read(Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser(), encoding="utf-8")
    except (configparser.Error, OSError, RuntimeError, UnicodeDecodeError):
        return _parser()
    return parser


def _parser() -> configparser.ConfigParser:
    return configparser.ConfigParser(
        interpolation=None, strict=False, default_section="", inline_comment_prefixes=("#", ";")
    )
