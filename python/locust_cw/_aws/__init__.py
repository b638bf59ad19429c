"""The AWS account beside publishing: calls, endpoints, metrics, targets, cost, and a local CloudWatch."""
