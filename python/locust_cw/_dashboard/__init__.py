"""The CloudWatch dashboard of a test.

In the order of the data: a `View` says what the dashboard shows, `widgets`, `variables` and `annotations` make its
parts, `ownership` marks them as locust-cw's, `body` combines them with the dashboard that exists, and `client` reads
and writes it. Grammar of a body:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""
