"""The CloudWatch tab in Locust's web UI."""
