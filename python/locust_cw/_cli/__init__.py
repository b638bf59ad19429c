"""The command `locust-cw`, for what is done outside a test. Nothing here needs Locust."""
