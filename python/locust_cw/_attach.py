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
        """Deliver the remaining data within the drain timeout, then print and return the receipts, oldest first."""
        finished = self._session.close()
        from locust_cw._terminal.receipt import Receipt  # noqa: PLC0415 - only needed at the end

        return [Receipt(each.receipt, each.remarks) for each in finished]


def attach(environment: Environment, **options: object) -> Session:
    """Publish the tests of an environment, for programs that use Locust as a library.

    Call it once before the test starts; a second call changes the options for the next test. If the environment has
    `reset_stats`, call it before you create the runner, because the runner resets the statistics that the receipt is
    reconciled with. When the program ends, or fires the environment's `quit` event, locust-cw sends the remaining data
    within `drain_timeout`.

    Options that neither this call nor a command line parsed by Locust sets are read from their environment variables,
    such as ``LOCUST_CW_NAMESPACE``. An opt-out applies wherever it is set: ``LOCUST_CW_DISABLE=true`` and
    ``LOCUST_CW_DRY_RUN=true`` override `disable=False` in the program, and opt-outs in the program override the
    variables.

    In a distributed test, each process attaches its own environment. The master sends the options of its command line
    to the workers, but not those of this call or of environment variables: give all processes the same options, such as
    `namespace` and `endpoint_url`. The master does send the run ID, `disable`, `dry_run`, and with `local` the address
    of the local CloudWatch. An opt-out on a worker applies to that worker, regardless of the master's options.

    If `strict` or `stop_on_alarm` refuses a test, `gevent.GreenletExit` ends the greenlet that is about to spawn its
    users. On a master, this is the greenlet that calls the runner's `start`, which may be the program's main greenlet:
    catch the exception there, or call `start` with `gevent.spawn`.

    Args:
        environment: The environment, with or without its own events.
        **options: The options of the command line in Python form: ``--cw-flush-interval`` is `flush_interval`. They
            take precedence over the command line and environment variables.

    Returns:
        The session. Its `close` delivers the remaining data and returns the receipts, for programs that continue after
        the test.

    Raises:
        InvalidOptionError: If an option or its environment variable is unknown or invalid.

    """
    from locust_cw._settings import table  # noqa: PLC0415 - only needed once a program attaches

    session = Listener.of(environment.events).session
    session.configure(environment, options)
    # Without a command line, Locust cannot keep the values that a user enters in the form.
    fixed_options.update(options if environment.parsed_options is not None else table.NAMES)
    return Session(session)
