"""The report of a run: load and target on one time axis.

In the order of the data: `_query` asks CloudWatch, `_saturation` finds the load at which the target saturates,
`_findings` puts together what there is to tell, `_chart` draws it, `_page` makes it one file.
"""
