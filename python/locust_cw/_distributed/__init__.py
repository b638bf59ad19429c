"""Master and workers: what workers report, and what the master makes of it."""
