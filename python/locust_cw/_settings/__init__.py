"""The options: one table, and the sources that their values come from."""
