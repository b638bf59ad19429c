"""What can be added to a test run. Each module is imported only if an option, or its default, enables it."""
