"""The usual locustfile: one line added, after Locust's import."""

from shopper import Shopper, SlowShopper

import locust_cw  # isort: skip

__all__ = ["Shopper", "SlowShopper", "locust_cw"]
