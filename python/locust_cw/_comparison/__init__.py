"""The comparison of two runs: its results as text, JUnit XML and Markdown."""
