"""A target of a load test is an AWS resource, with metrics that its service publishes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locust_cw import _core
from locust_cw._aws import targets as _targets
from locust_cw._dashboard.body import make_body
from support.dashboard_grammar import problems
from support.dashboards import (
    OTHER_METRIC,
    TARGETS,
    view,
)

# What AWS's services publish, from their own lists of CloudWatch metrics: for each namespace the sets of dimensions in
# use here, and the metrics that have them.
LOAD_BALANCER_METRICS = {
    "TargetResponseTime", "RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_Target_4XX_Count",
    "TargetConnectionErrorCount",
}  # fmt: skip
PUBLISHED: dict[str, dict[tuple[str, ...], set[str]]] = {
    "AWS/EC2": {
        ("InstanceId",): {"NetworkIn", "NetworkOut", "StatusCheckFailed", "CPUUtilization", "CPUCreditBalance"},
        ("AutoScalingGroupName",): {"NetworkIn", "NetworkOut", "StatusCheckFailed", "CPUUtilization"},
    },
    "AWS/AutoScaling": {
        ("AutoScalingGroupName",): {"GroupInServiceInstances", "GroupDesiredCapacity", "GroupMaxSize"},
    },
    "AWS/ApplicationELB": {
        ("LoadBalancer",): LOAD_BALANCER_METRICS
        | {"HTTPCode_ELB_5XX_Count", "ActiveConnectionCount", "RejectedConnectionCount"},
        ("LoadBalancer", "TargetGroup"): LOAD_BALANCER_METRICS
        | {"RequestCountPerTarget", "HealthyHostCount", "UnHealthyHostCount"},
        ("TargetGroup",): {"RequestCountPerTarget"},
    },
    "AWS/NetworkELB": {
        ("LoadBalancer",): {
            "NewFlowCount", "ActiveFlowCount", "ProcessedBytes", "TCP_Target_Reset_Count", "TCP_Client_Reset_Count",
            "TCP_ELB_Reset_Count", "PortAllocationErrorCount",
        },
        ("LoadBalancer", "TargetGroup"): {"HealthyHostCount", "UnHealthyHostCount"},
    },
    "AWS/RDS": {
        ("DBInstanceIdentifier",): {
            "ReadLatency", "WriteLatency", "ReadIOPS", "WriteIOPS", "CPUUtilization", "BurstBalance",
            "DatabaseConnections", "DiskQueueDepth", "FreeableMemory",
        },
    },
    "AWS/ECS": {("ClusterName", "ServiceName"): {"CPUUtilization", "MemoryUtilization"}},
    "ECS/ContainerInsights": {
        ("ClusterName", "ServiceName"): {
            "NetworkRxBytes", "NetworkTxBytes", "RunningTaskCount", "PendingTaskCount", "DesiredTaskCount",
        },
    },
    "AWS/Lambda": {
        ("FunctionName",): {"Duration", "Invocations", "Errors", "Throttles", "ConcurrentExecutions"},
        ("FunctionName", "Resource"): {"Duration", "Invocations", "Errors", "Throttles", "ConcurrentExecutions"},
    },
    "AWS/ApiGateway": {("ApiName",): {"Latency", "IntegrationLatency", "Count", "4XXError", "5XXError"}},
    "AWS/DynamoDB": {
        ("TableName",): {
            "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ProvisionedReadCapacityUnits",
            "ProvisionedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents",
        },
        ("Operation", "TableName"): {"SuccessfulRequestLatency", "SystemErrors"},
    },
    "AWS/SQS": {
        ("QueueName",): {
            "ApproximateAgeOfOldestMessage", "NumberOfMessagesSent", "NumberOfMessagesReceived",
            "NumberOfMessagesDeleted", "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible",
        },
    },
    "AWS/ElastiCache": {
        ("CacheClusterId",): {
            "GetTypeCmdsLatency", "SetTypeCmdsLatency", "GetTypeCmds", "SetTypeCmds", "Evictions", "CacheMisses",
            "EngineCPUUtilization", "CPUUtilization", "DatabaseMemoryUsagePercentage", "CurrConnections",
        },
    },
    "AWS/CloudFront": {
        ("DistributionId", "Region"): {"OriginLatency", "Requests", "5xxErrorRate", "4xxErrorRate", "CacheHitRate"},
    },
}  # fmt: skip

BAD_TARGETS = {
    "": "KIND:ID",
    "shop": "KIND:ID",
    "vm:1": "ec2",
    "ec2:web-1": "i-0123",
    "ec2:": "i-0123",
    "asg:a:b": "NAME",
    "alb:shop": "app/NAME/ID",
    "alb:net/shop/50dc6c495c0c9188": "app/NAME/ID",
    "nlb:app/shop/50dc6c495c0c9188": "net/NAME/ID",
    "targetgroup:shop": "targetgroup/NAME/ID",
    "rds:-db": "IDENTIFIER",
    "ecs:shop": "CLUSTER/SERVICE",
    "lambda:a b": "NAME",
    "apigateway: ": "NAME",
    "dynamodb:ab": "TABLE",
    "sqs:a.b": "QUEUE",
    "elasticache:1a": "ID",
    "cloudfront:e1": "E1ABCDEF2GHIJK",
    "metric:App": "NAMESPACE/NAME",
    "metric:App/Queue{Pool}:Sum": "Dimension=Value",
    "metric:App/Queue{Pool=a,Pool=b}:Sum": "occurs twice",
    "metric:App/Queue{Pool=}:Sum": "Pool",
    "metric:App/Queue{Pool=ä}:Sum": "ASCII",
    "metric:App/Queue": "STATISTIC",
    "metric:App/Queue:Median": "Average",
    "metric:App/Queue:p101": "p99",
    "metric:App/Queue{" + ",".join(f"D{n}=1" for n in range(31)) + "}:Sum": "30",
}


@pytest.mark.parametrize("text", TARGETS)
def test_a_target_has_the_metrics_that_its_service_publishes(text: str) -> None:
    """With the dimensions of the service."""
    target = _targets.parse(text)
    assert target.text == text
    assert text.partition(":")[2] in target.title
    assert target.signals
    for signal in target.signals:
        assert signal.unit
        assert len({metric.label for metric in signal.metrics}) == len(signal.metrics)
        for metric in signal.metrics:
            dimensions = dict(metric.dimensions)
            assert metric.name in PUBLISHED[metric.namespace][tuple(sorted(dimensions))], metric
            assert dimensions.items() >= TARGETS[text].items()
            assert metric.region == ("us-east-1" if target.kind == "cloudfront" else None)
            assert metric.stat == "Sum" or metric.divisor is None, metric
            assert ("/s" in signal.unit) == (metric.divisor is not None) or metric.stat == "Average", metric


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("alb", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("lambda", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("dynamodb", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("elasticache", {"Latency", "Traffic", "Errors", "Saturation"}),
        ("ec2", {"Traffic", "Errors", "Saturation"}),
        ("rds", {"Latency", "Traffic", "Saturation"}),
        ("sqs", {"Latency", "Traffic", "Saturation"}),
    ],
)
def test_a_target_has_the_golden_signals_there_are(kind: str, expected: set[str]) -> None:
    text = next(text for text in TARGETS if text.startswith(f"{kind}:"))
    assert {signal.title.partition(":")[0] for signal in _targets.parse(text).signals} == expected


def test_any_other_metric_can_be_a_target() -> None:
    ((metric,),) = [signal.metrics for signal in _targets.parse(OTHER_METRIC).signals]
    assert (metric.namespace, metric.name, metric.stat) == ("App/Web", "QueueLength", "p99.9")
    assert metric.dimensions == (("Pool", "web"), ("Zone", "a,b"))
    ((bare,),) = [signal.metrics for signal in _targets.parse("metric:App/Errors:TM(10%:90%)").signals]
    assert (bare.namespace, bare.name, bare.dimensions, bare.stat) == ("App", "Errors", (), "TM(10%:90%)")


@pytest.mark.parametrize("text", BAD_TARGETS)
def test_a_bad_target_is_refused_with_the_form_expected(text: str) -> None:
    with pytest.raises(_core.InvalidOptionError) as refused:
        _targets.parse(text)
    message = str(refused.value)
    assert message.startswith("argument --cw-target: ")
    assert repr(text) in message
    assert BAD_TARGETS[text] in message
    assert "expected" in message


@given(st.sampled_from([text.partition(":")[0] for text in TARGETS] + ["metric"]), st.text(max_size=60))
def test_any_target_is_accepted_or_refused(kind: str, identifier: str) -> None:
    """There is only one kind of error, and an accepted target is valid on a dashboard."""
    try:
        target = _targets.parse(f"{kind}:{identifier}")
    except _core.InvalidOptionError:
        return
    assert problems(make_body(view(targets=(target,)))) == []
