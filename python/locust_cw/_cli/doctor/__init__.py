"""`locust-cw doctor`: make the calls that a test will make, and say how to fix those that fail.

`check` has the result of a check, `requirement` what later checks depend on. `local_checks`, `endpoints` and
`aws_checks` are the checks, and `examination` runs them in order.
"""
