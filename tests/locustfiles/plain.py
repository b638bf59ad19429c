"""A locustfile that knows nothing of locust-cw."""

from shopper import Shopper, SlowShopper

__all__ = ["Shopper", "SlowShopper"]
