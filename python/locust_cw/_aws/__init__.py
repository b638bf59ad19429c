"""The AWS side of the tools: the account, metrics and targets, alarms, costs, and a local CloudWatch."""
