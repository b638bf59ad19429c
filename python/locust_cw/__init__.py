"""The CloudWatch back end for Locust: live load-test metrics and logs in Amazon CloudWatch.

When a locustfile imports this module, the module registers its options and hooks with Locust, and does nothing else. At
the start of a test, the options determine what locust-cw publishes. You can import the module before or after Locust. A
program without Locust publishes with a `Publisher`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from locust_cw._errors import InvalidOptionError
from locust_cw._plugin import register as _hooks

__all__ = ["InvalidOptionError", "LocalCloudWatchError", "Publisher", "Receipt", "Session", "attach"]
__all__ += ["count", "gauge", "mark"]

if TYPE_CHECKING:
    from locust_cw._attach import Session, attach
    from locust_cw._aws.local import LocalCloudWatchError
    from locust_cw._custom import count, gauge, mark
    from locust_cw._publisher import Publisher
    from locust_cw._terminal.receipt import Receipt
else:
    # Imported at first use, because a locustfile needs none of them.
    _MODULES = {"LocalCloudWatchError": "_aws.local", "Publisher": "_publisher", "Receipt": "_terminal.receipt"}
    _MODULES |= {"Session": "_attach", "attach": "_attach"} | dict.fromkeys(("count", "gauge", "mark"), "_custom")

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return found


_hooks.register_with_locust()
