"""What the tests share: servers that end with the test, a recording proxy, readers, and the table of AWS limits.

What checks the product shares no code with it. Only modules that run it or make its input import `locust_cw`:
`dashboards`, `in_process`, `option_parser` and `status_reports`.
"""

import pytest

# Before they are imported, so that their assertions tell the values, too.
pytest.register_assert_rewrite(
    "support.checks",
    "support.commands",
    "support.credential_users",
    "support.dashboard_grammar",
    "support.delivered",
    "support.faults",
    "support.fleet",
    "support.fleet_checks",
    "support.in_process",
    "support.locust_run",
    "support.replays",
    "support.servers",
)
