"""What can be added to a test run: the interface of extensions, and the table of those that options enable."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from locust_cw import _core
    from locust_cw._settings.table import Options

R_contra = TypeVar("R_contra", contravariant=True)
"""A test run."""


class StartError(RuntimeError):
    """Something that an option requires could not be started. The message says why, and what to do."""


class Extension(Protocol[R_contra]):
    """Reacts to what happens to a test run. By default, each method does nothing."""

    def on_start(self, run: R_contra) -> None:
        """The test starts; there are no users yet."""
        del run

    def on_tick(self, run: R_contra) -> None:
        """One second has passed. It is called until the receipt is made."""
        del run

    def on_stop(self, run: R_contra) -> None:
        """Locust has stopped the test."""
        del run

    def on_finished(self, run: R_contra, receipt: _core.Receipt, remarks: list[str]) -> None:
        """The receipt is made, and this process has to show it."""
        del run, receipt, remarks


@runtime_checkable
class Preflight(Protocol[R_contra]):
    """An extension that can refuse a test before its users start."""

    reason: str
    """How the reason for a refusal begins."""

    def check(self, run: R_contra) -> str | None:
        """Wait until the test may start. The result is why it may not."""


@runtime_checkable
class Refusable(Protocol[R_contra]):
    """An extension that reacts to a refusal."""

    def on_refused(self, run: R_contra) -> None:
        """This process does not start the test."""


@runtime_checkable
class RampUp(Protocol[R_contra]):
    """An extension that reacts to the end of the ramp-up."""

    def on_ramp_up_complete(self, run: R_contra) -> None:
        """All users are spawned for the first time."""


@runtime_checkable
class Background(Protocol):
    """An extension that works beside the load."""

    @property
    def is_busy(self) -> bool:
        """Whether the receipt has to wait for it."""

    def cancel(self) -> None:
        """Give up what need not be completed: the process ends."""


@runtime_checkable
class Judge(Protocol):
    """An extension that judges a run after its stop, while the publisher still takes events."""

    @property
    def is_judging(self) -> bool:
        """Whether the results are still to come."""

    def give_up(self) -> None:
        """Wait for no more data."""

    def results(self) -> list[_core.CheckResult]:
        """The results; before the end of the judgement, the ones so far."""


@runtime_checkable
class DashboardLink(Protocol[R_contra]):
    """An extension that shows the run on a dashboard."""

    def dashboard(self, run: R_contra) -> tuple[str | None, str | None]:
        """Name and URL of the dashboard, as far as they are known."""


MODULES = {
    "alarms": "_extensions.alarms",
    "baseline": "_extensions.baseline",
    "check_output": "_extensions.check_output",
    "checks": "_extensions.checks",
    "dashboard": "_extensions.dashboard_marks",
    "local": "_extensions.local",
    "master": "_distributed.master",
    "pending_spools": "_extensions.pending_spools",
    "progress": "_terminal.progress",
    "receipt": "_extensions.receipt_output",
    "record": "_extensions.run_record",
    "report": "_extensions.report",
    "reused_run_id": "_extensions.reused_run_id",
    "startup_summary": "_extensions.startup_summary",
    "strict": "_extensions.strict",
    "web_ui": "_webui.tab",
    "worker": "_distributed.worker",
}
"""The modules of extensions, by name."""


def load(name: str) -> Any:  # noqa: ANN401 - each module has functions of its own
    """The module of an extension. It is imported here, so that a process loads only what it uses."""
    return import_module(f"locust_cw.{MODULES[name]}")


def enabled(options: Options, *, is_worker: bool) -> list[Extension[Any]]:
    """The extensions of a run with these options, in the order in which they are called.

    Raises:
        InvalidOptionError: If an option of an extension cannot be used.

    """
    sends = not options["dry_run"]
    wanted = {
        "startup_summary": True,
        "reused_run_id": sends and not is_worker and not options["local"] and bool(options["run_id"]),
        "pending_spools": not is_worker,
        "dashboard": sends and not is_worker and options.dashboard is not None,
        "strict": sends and options["strict"],
        "alarms": sends and not is_worker and bool(options["stop_on_alarm"]),
        "checks": not is_worker and bool(options["check"]),
        "baseline": not is_worker and bool(options["baseline"]),
        "report": not is_worker and options["report"] is not None,
    }
    found = (load(name).create(options) for name, is_wanted in wanted.items() if is_wanted)
    return [each for each in found if each is not None]
