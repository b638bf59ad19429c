"""The report of a run: load and targets on one time axis.

In the order of the data: `query` reads CloudWatch, `run_metrics` has the series of the run, `saturation` finds the load
at which the target saturates, `gather` collects the `findings`, `chart` draws them, and `page` makes one HTML file.
"""
