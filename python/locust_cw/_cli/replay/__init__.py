"""`locust-cw replay`: send, list or discard the results that earlier tests could not deliver.

`command` has the options and chooses the results, `sender` sends them, and `discard` deletes them.
"""
