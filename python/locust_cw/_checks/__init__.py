"""The results of checks as text, JUnit XML and Markdown, and the values of target checks."""
