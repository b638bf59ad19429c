"""The exceptions of the core: `_core` raises them, and so do the modules that check options of their own."""

from __future__ import annotations

from typing import Literal, TypeAlias

ErrorKind: TypeAlias = Literal[
    "access_denied",
    "already_exists",
    "credentials",
    "invalid",
    "no_region",
    "not_aws",
    "not_found",
    "throttled",
    "unavailable",
    "unreachable",
    "untrusted",
]
"""Kinds of errors of AWS calls, as far as callers treat them differently."""

UNKNOWN_OPTION = "there is no such option"


class InvalidOptionError(ValueError):
    """An option is unknown, or its value is invalid. The message names the option.

    Attributes:
        option: The option's name in Python form, such as `flush_interval`.
        problem: What is wrong, and which values are valid.

    """

    def __init__(self, option: str, problem: str = UNKNOWN_OPTION) -> None:
        """Without a problem, the option is not known."""
        super().__init__(option, problem)
        self.option = option
        self.problem = problem

    def __str__(self) -> str:
        """The message, with the option as the command line names it."""
        if self.problem == UNKNOWN_OPTION:
            return f"{self.option}: {self.problem}"
        return f"argument --cw-{self.option.replace('_', '-')}: {self.problem}"


class AwsError(Exception):
    """A call that AWS refused, or that did not reach it.

    Attributes:
        message: What happened, and what to do.
        code: AWS's error code, such as `ResourceNotFound`, or else `NoAnswer`, `NotSent`, `NotAws`, `NoCredentials`,
            `NotBuilt`, `Untrusted`, `NoRegion` or `OtherAccount`.
        operation: The operation, such as `PutDashboard`.
        resource: What the call was about.
        kind: The kind of error.
        stage: `credentials` if credentials could not be obtained for the call, else `call`.

    """

    def __init__(  # noqa: PLR0913, PLR0917 - the core gives it these fields
        self,
        message: str,
        code: str,
        operation: str,
        resource: str,
        kind: ErrorKind,
        stage: Literal["credentials", "call"],
    ) -> None:
        """As the core raises it."""
        super().__init__(message, code, operation, resource, kind, stage)
        self.message = message
        self.code = code
        self.operation = operation
        self.resource = resource
        self.kind = kind
        self.stage = stage

    def __str__(self) -> str:
        """The message."""
        return self.message

    @property
    def is_transient(self) -> bool:
        """Whether repeating the call may help."""
        return self.kind in ("throttled", "unavailable", "unreachable")
