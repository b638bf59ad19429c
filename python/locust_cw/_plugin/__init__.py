"""What a Locust process runs: registration, events, the test run and its end."""
