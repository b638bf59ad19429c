"""The CloudWatch back end for Locust: live load-test metrics and logs in Amazon CloudWatch.

Imported in a locustfile, this module registers its options and hooks with Locust, and does nothing else: what it
publishes, and whether, the options decide when a test starts. It may be imported before or after Locust, and in a
program that never imports Locust at all: such a program publishes with a `Publisher`.
"""

from locust_cw import _hooks
from locust_cw._core import InvalidOptionError, Receipt
from locust_cw._hooks import attach
from locust_cw._publisher import Publisher

__all__ = ["InvalidOptionError", "Publisher", "Receipt", "attach"]

_hooks.register_with_locust()
