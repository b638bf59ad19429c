"""The CloudWatch back end for Locust: live load-test metrics and logs in Amazon CloudWatch.

Imported in a locustfile, this module registers its options and hooks with Locust, and does nothing else: what it
publishes, and whether, the options decide when a test starts. It may be imported before or after Locust, and in a
program that never imports Locust at all: such a program publishes with a `Publisher`.
"""

from typing import TYPE_CHECKING

from locust_cw._errors import InvalidOptionError
from locust_cw._plugin import register as _hooks
from locust_cw._plugin.register import attach
from locust_cw._publisher import Publisher

__all__ = ["InvalidOptionError", "LocalCloudWatchError", "Publisher", "Receipt", "Session", "attach"]

if TYPE_CHECKING:
    from locust_cw._aws.local import LocalCloudWatchError
    from locust_cw._plugin.session import Session
    from locust_cw._terminal.receipt import Receipt
else:

    def __getattr__(name: str) -> object:
        """What brings modules with it that an import is not to wait for."""
        if name == "LocalCloudWatchError":
            from locust_cw._aws.local import LocalCloudWatchError  # noqa: PLC0415 - as said above

            return LocalCloudWatchError
        if name == "Receipt":
            from locust_cw._terminal.receipt import Receipt  # noqa: PLC0415 - as said above

            return Receipt
        if name == "Session":
            from locust_cw._plugin.session import Session  # noqa: PLC0415 - as said above

            return Session
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_hooks.register_with_locust()
