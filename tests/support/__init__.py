"""What the tests share: servers that end with the test, a recording proxy, readers, and the table of AWS limits.

Nothing in here imports `locust_cw`: what checks the product shares no code with it.
"""

import pytest

# Before they are imported, so that their assertions tell the values, too.
pytest.register_assert_rewrite(
    "support.checks", "support.fleet", "support.locust_run", "support.outages", "support.servers"
)
