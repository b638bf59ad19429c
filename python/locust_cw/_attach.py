"""The interface for programs that use Locust as a library: `attach`, and the session that it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._plugin.listener import Listener
from locust_cw._plugin.register import fixed_options

if TYPE_CHECKING:
    from locust.env import Environment

    from locust_cw._plugin import session as _plugin
    from locust_cw._terminal.receipt import Receipt


class Session:
    """The tests of one environment in this process: what `attach` returns."""

    def __init__(self, session: _plugin.Session) -> None:
        self._session = session

    def close(self) -> list[Receipt]:
        """Deliver what is left, within the drain timeout, and print and return the receipts, oldest first."""
        finished = self._session.close()
        from locust_cw._terminal.receipt import Receipt  # noqa: PLC0415 - only needed at the end

        return [Receipt(each.receipt, each.remarks) for each in finished]


def attach(environment: Environment, **options: object) -> Session:
    """Publish the tests of an environment, for programs that use Locust as a library.

    Call it once before the test starts; a second call changes the options for the next test. If the environment has
    `reset_stats`, call it before the runner is created: the runner resets the statistics that the receipt is compared
    with. What is not delivered when the program ends, or when it fires the environment's `quit` event, is sent then,
    within `drain_timeout`.

    Options that are neither given here nor on a command line that Locust has parsed are read from their environment
    variables, such as ``LOCUST_CW_NAMESPACE``. An opt-out holds wherever it is set: ``LOCUST_CW_DISABLE=true`` and
    ``LOCUST_CW_DRY_RUN=true`` hold although the program gives `disable=False`, and the program's opt-outs hold although
    a variable says no.

    In a distributed test each process attaches its own environment. Options that are given here or read from
    environment variables are not sent to the workers, unlike the options of a master's command line: give all processes
    the same ones, such as `namespace` and `endpoint_url`. The master sends the run ID, and what keeps its results off
    AWS: `disable`, `dry_run`, and with `local` the address of the local CloudWatch. A worker's own opt-outs hold there,
    whatever its master's options are.

    A test that `strict` or `stop_on_alarm` refuses does not begin: `gevent.GreenletExit` ends the greenlet that is
    about to spawn its users. With a master that is the greenlet that calls the runner's `start`, which may be the
    program's main one: catch the exception there, or have `gevent.spawn` call `start`.

    Args:
        environment: With or without events of its own.
        **options: The command line's in Python form (``--cw-flush-interval`` is `flush_interval`). Each takes
            precedence over the command line's and the environment variable.

    Returns:
        The session. Its `close` delivers what is left and returns the receipts, for programs that do not want to wait
        for their own end.

    Raises:
        InvalidOptionError: If an option is not known or cannot be used, or its environment variable cannot.

    """
    from locust_cw._settings import table  # noqa: PLC0415 - only needed once a program attaches

    session = Listener.of(environment.events).session
    session.configure(environment, options)
    # Without a command line Locust cannot keep what a user types in the form.
    fixed_options.update(options if environment.parsed_options is not None else table.NAMES)
    return Session(session)
