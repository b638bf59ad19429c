"""Runs Locust on an unchanged locustfile, with the hooks registered: ``python -m locust_cw -f test.py --cw-live``."""

import sys

# The package has been imported with this module, so the hooks are registered as soon as Locust is imported.
from locust.main import main

if __name__ == "__main__":
    sys.exit(main())
