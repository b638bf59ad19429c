"""`locust-cw verify`: compare the data of a run in CloudWatch with the run's record.

`metrics` and `log_events` compare, `log_reader` reads log events, `comparison` has the results, `explanation` says why
numbers differ, and `output` prints it all.
"""
