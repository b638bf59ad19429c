"""What CloudWatch accepts as a dashboard, and the error for a dashboard that exceeds it."""

from __future__ import annotations

COLUMNS = 24
"""Columns of the grid of widgets."""
MAX_WIDGETS = 500
"""Most widgets of a dashboard."""
MAX_VARIABLES = 25
"""Most variables of a dashboard."""
MAX_BODY_BYTES = 900_000
"""Largest body. AWS documents no limit, but a POST to CloudWatch may have 1 MB, including name and encoding."""


class DashboardError(Exception):
    """The dashboard cannot be put. The message says why, and what to do."""
