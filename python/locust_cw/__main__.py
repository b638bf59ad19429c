"""Runs Locust on an unchanged locustfile, with the hooks registered: ``python -m locust_cw -f test.py --cw-live``."""

import sys

# First of all: this patches the standard library for gevent.
from locust.main import main

import locust_cw  # noqa: F401 - registers the hooks

if __name__ == "__main__":
    sys.exit(main())
