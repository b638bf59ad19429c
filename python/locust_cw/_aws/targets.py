"""The AWS resources under test, as `--cw-target KIND:ID` names them, and the metrics that tell how each is doing.

The golden signals of a resource: latency, traffic, errors, saturation. Where AWS has no metric for one, there is none.
Names, dimensions and statistics are those of the services' own lists of CloudWatch metrics. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from locust_cw import _core

if TYPE_CHECKING:
    from collections.abc import Callable

Dimensions: TypeAlias = "tuple[tuple[str, str], ...]"
Divisor: TypeAlias = Literal["PERIOD", "DIFF_TIME"]

_PERCENTILES = ("p50", "p95", "p99")
# Statistics of CloudWatch: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
_NUMBER = r"(?:100(?:\.0+)?|\d{1,2}(?:\.\d+)?)"
_STATISTIC = re.compile(
    r"Average|Sum|Minimum|Maximum|SampleCount|IQM"
    rf"|(?:p|tm|wm|tc|ts){_NUMBER}"
    rf"|(?:TM|WM|TC|TS)\({_NUMBER}?%?:{_NUMBER}?%?\)"
    r"|(?:TM|WM|TC|TS|PR)\((?:-?\d+(?:\.\d+)?)?:(?:-?\d+(?:\.\d+)?)?\)"
)
_DIMENSION = re.compile(r'\s*([^=,"]+?)\s*=\s*(?:"([^"]*)"|([^,"]*?))\s*(?:,|$)')
_METRIC = re.compile(
    r"(?P<namespace>[^{}]+)/(?P<name>[^/{}:]+)(?:\{(?P<dimensions>.*)\})?:(?P<stat>[A-Za-z0-9.]+|[A-Z]{2}\([^()]*\))"
)


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch's, with the statistic that is of interest.

    Attributes:
        label: What it is called in a graph.
        namespace: Its namespace, such as `AWS/EC2`.
        name: Its name.
        dimensions: Names and values, all that the metric has.
        stat: The statistic, such as `Sum` or `p95`.
        region: Where it is, if not where the test publishes.
        divisor: Shown per second: what each value is divided by, as metric math calls it. `PERIOD` is the period asked
            for; `DIFF_TIME` is the time since the value before, for metrics that come more rarely than the period.

    """

    label: str
    namespace: str
    name: str
    dimensions: Dimensions
    stat: str
    region: str | None = None
    divisor: Divisor | None = None


@dataclass(frozen=True)
class Signal:
    """Metrics for one graph, in one unit.

    Attributes:
        title: Which of the golden signals it is, such as `Latency`.
        metrics: What is drawn.
        unit: Of the values, per second where the metrics are: `Seconds`, `Percent`, `Requests/s`. Empty if not known.

    """

    title: str
    metrics: tuple[Metric, ...]
    unit: str = ""


@dataclass(frozen=True)
class Target:
    """An AWS resource under test.

    Attributes:
        text: As it was given.
        kind: What stands before the colon.
        title: For people.
        signals: How it is doing.

    """

    text: str
    kind: str
    title: str
    signals: tuple[Signal, ...]


def parse(text: str) -> Target:
    """Read `KIND:ID`.

    Raises:
        InvalidOptionError: If there is no such kind, or no such resource can be.

    """
    kind, colon, identifier = text.strip().partition(":")
    if not colon or kind not in _KINDS:
        raise _bad(text, "there is no such kind of target", f"KIND:ID, where KIND is one of {', '.join(_KINDS)}")
    if kind == "metric":
        return _metric(text, identifier)
    known = _KINDS[kind]
    found = known.pattern.fullmatch(identifier)
    if found is None:
        raise _bad(text, f"{identifier!r} names no {known.what}", f"{kind}:{known.form}")
    return Target(text, kind, f"{known.what[0].upper()}{known.what[1:]} {identifier}", known.signals(found))


def _bad(text: str, what: str, form: str) -> _core.InvalidOptionError:
    return _core.InvalidOptionError("target", f"{text!r}: {what}; expected {form}")


class _Source:
    """Metrics of one namespace with the same dimensions."""

    def __init__(self, namespace: str, *dimensions: tuple[str, str], region: str | None = None) -> None:
        self._namespace = namespace
        self._dimensions = dimensions
        self._region = region

    def __call__(self, name: str, stat: str, label: str | None = None, *more: tuple[str, str]) -> Metric:
        dimensions = self._dimensions + more
        return Metric(label or f"{name} {stat}", self._namespace, name, dimensions, stat, self._region)

    def rate(self, name: str, label: str, *more: tuple[str, str], divisor: Divisor = "PERIOD") -> Metric:
        """Its sum, per second."""
        dimensions = self._dimensions + more
        return Metric(label, self._namespace, name, dimensions, "Sum", self._region, divisor)

    def percentiles(self, name: str) -> tuple[Metric, ...]:
        return tuple(self(name, percentile, percentile) for percentile in _PERCENTILES)


def _ec2_like(source: _Source) -> tuple[Signal, ...]:
    # With basic monitoring there is a value every five minutes, whatever the period: hence DIFF_TIME.
    return (
        Signal(
            "Traffic",
            (
                source.rate("NetworkIn", "in", divisor="DIFF_TIME"),
                source.rate("NetworkOut", "out", divisor="DIFF_TIME"),
            ),
            "Bytes/s",
        ),
        Signal("Errors", (source("StatusCheckFailed", "Maximum", "status check failed"),), "Count"),
        Signal(
            "Saturation",
            (source("CPUUtilization", "Average", "CPU average"), source("CPUUtilization", "Maximum", "CPU maximum")),
            "Percent",
        ),
    )


def _ec2(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/EC2", ("InstanceId", found[0]))
    credit = Signal("Saturation: CPU credits", (source("CPUCreditBalance", "Minimum", "credits left"),), "Count")
    return (*_ec2_like(source), credit)


def _asg(found: re.Match[str]) -> tuple[Signal, ...]:
    group = _Source("AWS/AutoScaling", ("AutoScalingGroupName", found[0]))
    instances = Signal(
        "Saturation: instances",
        (
            group("GroupInServiceInstances", "Average", "in service"),
            group("GroupDesiredCapacity", "Average", "desired"),
            group("GroupMaxSize", "Average", "at most"),
        ),
        "Count",
    )
    return (*_ec2_like(_Source("AWS/EC2", ("AutoScalingGroupName", found[0]))), instances)


def _alb(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/ApplicationELB", ("LoadBalancer", found[0]))
    return (
        Signal("Latency", source.percentiles("TargetResponseTime"), "Seconds"),
        Signal("Traffic", (source.rate("RequestCount", "requests"),), "Requests/s"),
        Signal(
            "Errors",
            (
                source.rate("HTTPCode_Target_5XX_Count", "5xx of targets"),
                source.rate("HTTPCode_ELB_5XX_Count", "5xx of the balancer"),
                source.rate("HTTPCode_Target_4XX_Count", "4xx of targets"),
                source.rate("TargetConnectionErrorCount", "no connection to target"),
            ),
            "Errors/s",
        ),
        Signal(
            "Saturation",
            (
                source("ActiveConnectionCount", "Sum", "active connections"),
                source("RejectedConnectionCount", "Sum", "rejected connections"),
            ),
            "Count",
        ),
    )


def _nlb(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/NetworkELB", ("LoadBalancer", found[0]))
    return (
        Signal("Traffic", (source.rate("NewFlowCount", "new flows"),), "Flows/s"),
        Signal("Traffic: bytes", (source.rate("ProcessedBytes", "processed"),), "Bytes/s"),
        Signal(
            "Errors",
            (
                source.rate("TCP_Target_Reset_Count", "resets by targets"),
                source.rate("TCP_Client_Reset_Count", "resets by clients"),
                source.rate("TCP_ELB_Reset_Count", "resets by the balancer"),
                source.rate("PortAllocationErrorCount", "no port left"),
            ),
            "Errors/s",
        ),
        Signal("Saturation", (source("ActiveFlowCount", "Average", "active flows"),), "Count"),
    )


def _target_group(found: re.Match[str]) -> tuple[Signal, ...]:
    group = ("TargetGroup", found["group"])
    if found["balancer"] is None:
        # The one metric that has this dimension alone; all others have the load balancer's too.
        alone = _Source("AWS/ApplicationELB", group)
        return (Signal("Traffic", (alone.rate("RequestCountPerTarget", "requests per target"),), "Requests/s"),)
    application = found["balancer"].startswith("app/")
    namespace = "AWS/ApplicationELB" if application else "AWS/NetworkELB"
    source = _Source(namespace, group, ("LoadBalancer", found["balancer"]))
    hosts = Signal(
        "Saturation",
        (
            source("HealthyHostCount", "Minimum", "healthy targets"),
            source("UnHealthyHostCount", "Maximum", "unhealthy targets"),
        ),
        "Count",
    )
    if not application:
        return (hosts,)
    return (
        Signal("Latency", source.percentiles("TargetResponseTime"), "Seconds"),
        Signal(
            "Traffic",
            (
                source.rate("RequestCount", "requests"),
                source.rate("RequestCountPerTarget", "requests per target"),
            ),
            "Requests/s",
        ),
        Signal(
            "Errors",
            (
                source.rate("HTTPCode_Target_5XX_Count", "5xx"),
                source.rate("HTTPCode_Target_4XX_Count", "4xx"),
                source.rate("TargetConnectionErrorCount", "no connection to target"),
            ),
            "Errors/s",
        ),
        hosts,
    )


def _rds(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/RDS", ("DBInstanceIdentifier", found[0]))
    return (
        Signal(
            "Latency",
            (source("ReadLatency", "Average", "disk read"), source("WriteLatency", "Average", "disk write")),
            "Seconds",
        ),
        Signal(
            "Traffic",
            (source("ReadIOPS", "Average", "reads"), source("WriteIOPS", "Average", "writes")),
            "Operations/s",
        ),
        Signal(
            "Saturation",
            (source("CPUUtilization", "Average", "CPU"), source("BurstBalance", "Minimum", "disk burst balance")),
            "Percent",
        ),
        Signal(
            "Saturation: connections",
            (
                source("DatabaseConnections", "Maximum", "connections"),
                source("DiskQueueDepth", "Average", "disk queue"),
            ),
            "Count",
        ),
        Signal("Saturation: memory", (source("FreeableMemory", "Minimum", "freeable"),), "Bytes"),
    )


def _ecs(found: re.Match[str]) -> tuple[Signal, ...]:
    service = (("ClusterName", found["cluster"]), ("ServiceName", found["service"]))
    source, insights = _Source("AWS/ECS", *service), _Source("ECS/ContainerInsights", *service)
    return (
        Signal(
            "Traffic (Container Insights)",
            (insights("NetworkRxBytes", "Average", "in"), insights("NetworkTxBytes", "Average", "out")),
            "Bytes/s",
        ),
        Signal(
            "Saturation",
            (
                source("CPUUtilization", "Average", "CPU average"),
                source("CPUUtilization", "Maximum", "CPU maximum"),
                source("MemoryUtilization", "Average", "memory average"),
                source("MemoryUtilization", "Maximum", "memory maximum"),
            ),
            "Percent",
        ),
        Signal(
            "Errors: tasks (Container Insights)",
            (
                insights("RunningTaskCount", "Minimum", "running"),
                insights("PendingTaskCount", "Maximum", "pending"),
                insights("DesiredTaskCount", "Maximum", "desired"),
            ),
            "Count",
        ),
    )


def _lambda(found: re.Match[str]) -> tuple[Signal, ...]:
    dimensions = [("FunctionName", found["function"])]
    if found["alias"] is not None:
        dimensions.append(("Resource", found[0]))
    source = _Source("AWS/Lambda", *dimensions)
    return (
        Signal("Latency", source.percentiles("Duration"), "Milliseconds"),
        Signal("Traffic", (source.rate("Invocations", "invocations"),), "Requests/s"),
        Signal("Errors", (source.rate("Errors", "errors"), source.rate("Throttles", "throttled")), "Errors/s"),
        Signal("Saturation", (source("ConcurrentExecutions", "Maximum", "concurrent executions"),), "Count"),
    )


def _api_gateway(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/ApiGateway", ("ApiName", found[0]))
    integration = tuple(source("IntegrationLatency", stat, f"integration {stat}") for stat in ("p50", "p99"))
    return (
        Signal("Latency", (*source.percentiles("Latency"), *integration), "Milliseconds"),
        Signal("Traffic", (source.rate("Count", "requests"),), "Requests/s"),
        Signal("Errors", (source.rate("5XXError", "5xx"), source.rate("4XXError", "4xx")), "Errors/s"),
    )


def _dynamodb(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/DynamoDB", ("TableName", found[0]))
    operations = ("GetItem", "Query", "PutItem", "UpdateItem")  # what most requests are; each has its own metrics
    throttled = (
        source.rate("ReadThrottleEvents", "reads throttled"),
        source.rate("WriteThrottleEvents", "writes throttled"),
    )
    return (
        Signal(
            "Latency",
            tuple(source("SuccessfulRequestLatency", "Average", each, ("Operation", each)) for each in operations),
            "Milliseconds",
        ),
        Signal(
            "Traffic",
            (
                source.rate("ConsumedReadCapacityUnits", "read units consumed"),
                source.rate("ConsumedWriteCapacityUnits", "write units consumed"),
            ),
            "Units/s",
        ),
        Signal(
            "Errors",
            (
                *throttled,
                *(source.rate("SystemErrors", f"{each} failed", ("Operation", each)) for each in operations),
            ),
            "Errors/s",
        ),
        Signal(
            "Saturation",
            (
                source("ProvisionedReadCapacityUnits", "Average", "read units provisioned"),
                source("ProvisionedWriteCapacityUnits", "Average", "write units provisioned"),
            ),
            "Units/s",
        ),
    )


def _sqs(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/SQS", ("QueueName", found[0]))
    return (
        Signal("Latency", (source("ApproximateAgeOfOldestMessage", "Maximum", "age of the oldest"),), "Seconds"),
        Signal(
            "Traffic",
            (
                source.rate("NumberOfMessagesSent", "sent"),
                source.rate("NumberOfMessagesReceived", "received"),
                source.rate("NumberOfMessagesDeleted", "deleted"),
            ),
            "Messages/s",
        ),
        Signal(
            "Saturation",
            (
                source("ApproximateNumberOfMessagesVisible", "Maximum", "waiting"),
                source("ApproximateNumberOfMessagesNotVisible", "Maximum", "in flight"),
            ),
            "Count",
        ),
    )


def _elasticache(found: re.Match[str]) -> tuple[Signal, ...]:
    source = _Source("AWS/ElastiCache", ("CacheClusterId", found[0]))
    return (
        Signal(
            "Latency",
            (
                source("GetTypeCmdsLatency", "Average", "reading commands"),
                source("SetTypeCmdsLatency", "Average", "writing commands"),
            ),
            "Microseconds",
        ),
        Signal(
            "Traffic",
            (
                source.rate("GetTypeCmds", "reading commands"),
                source.rate("SetTypeCmds", "writing commands"),
            ),
            "Commands/s",
        ),
        Signal("Errors", (source.rate("Evictions", "evictions"), source.rate("CacheMisses", "misses")), "Keys/s"),
        Signal(
            "Saturation",
            (
                source("EngineCPUUtilization", "Maximum", "engine CPU"),
                source("CPUUtilization", "Maximum", "host CPU"),
                source("DatabaseMemoryUsagePercentage", "Maximum", "memory"),
            ),
            "Percent",
        ),
        Signal("Saturation: connections", (source("CurrConnections", "Maximum", "connections"),), "Count"),
    )


def _cloudfront(found: re.Match[str]) -> tuple[Signal, ...]:
    # A global service, whose metrics are in one region.
    source = _Source("AWS/CloudFront", ("DistributionId", found[0]), ("Region", "Global"), region="us-east-1")
    return (
        Signal("Latency", source.percentiles("OriginLatency"), "Milliseconds"),
        Signal("Traffic", (source.rate("Requests", "requests"),), "Requests/s"),
        Signal(
            "Errors",
            (source("5xxErrorRate", "Average", "5xx"), source("4xxErrorRate", "Average", "4xx")),
            "Percent",
        ),
        Signal("Saturation", (source("CacheHitRate", "Average", "cache hits"),), "Percent"),
    )


@dataclass(frozen=True)
class _Kind:
    what: str
    form: str
    pattern: re.Pattern[str]
    signals: Callable[[re.Match[str]], tuple[Signal, ...]]


def _kind(what: str, form: str, pattern: str, signals: Callable[[re.Match[str]], tuple[Signal, ...]]) -> _Kind:
    return _Kind(what, form, re.compile(pattern), signals)


def _no_signals(_found: re.Match[str]) -> tuple[Signal, ...]:
    return ()


_METRIC_FORM = "metric:NAMESPACE/NAME{Dimension=Value,...}:STATISTIC, such as metric:App/QueueLength{Pool=web}:Maximum"
# Rules for names from the services' API references; what they leave open is any printable ASCII without blanks around.
_ANY = r"[!-~](?:[ -~]{0,253}[!-~])?"
_BALANCER_ID = r"[A-Za-z0-9-]{1,32}/[0-9a-f]{1,32}"
_KINDS = {
    "ec2": _kind("instance", "i-0123456789abcdef0", r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", _ec2),
    "asg": _kind("Auto Scaling group", "NAME", _ANY.replace("!-~", "!-9;-~").replace(" -~", " -9;-~"), _asg),
    "alb": _kind("Application Load Balancer", "app/NAME/ID, the end of its ARN", rf"app/{_BALANCER_ID}", _alb),
    "nlb": _kind("Network Load Balancer", "net/NAME/ID, the end of its ARN", rf"net/{_BALANCER_ID}", _nlb),
    "targetgroup": _kind(
        "target group",
        "app/NAME/ID/targetgroup/NAME/ID, with its load balancer, or targetgroup/NAME/ID for the requests alone",
        rf"(?:(?P<balancer>(?:app|net)/{_BALANCER_ID})/)?(?P<group>targetgroup/{_BALANCER_ID})",
        _target_group,
    ),
    "rds": _kind("DB instance", "IDENTIFIER", r"[A-Za-z](?:-?[A-Za-z0-9]){0,62}", _rds),
    "ecs": _kind(
        "ECS service", "CLUSTER/SERVICE", r"(?P<cluster>[A-Za-z0-9_-]{1,255})/(?P<service>[A-Za-z0-9_-]{1,255})", _ecs
    ),
    "lambda": _kind(
        "Lambda function",
        "NAME or NAME:ALIAS",
        r"(?P<function>[A-Za-z0-9_-]{1,140})(?::(?P<alias>[$A-Za-z0-9_-]{1,128}))?",
        _lambda,
    ),
    "apigateway": _kind("API (REST)", "NAME", _ANY, _api_gateway),
    "dynamodb": _kind("DynamoDB table", "TABLE", r"[A-Za-z0-9_.-]{3,255}", _dynamodb),
    "sqs": _kind("queue", "QUEUE", r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo", _sqs),
    "elasticache": _kind("cache cluster", "ID", r"[A-Za-z](?:-?[A-Za-z0-9]){0,49}", _elasticache),
    "cloudfront": _kind("distribution", "ID, such as E1ABCDEF2GHIJK", r"[A-Z0-9]{8,20}", _cloudfront),
    "metric": _kind("metric", _METRIC_FORM.removeprefix("metric:"), _METRIC.pattern, _no_signals),
}

FORMS = tuple(f"{kind}:{known.form}" for kind, known in _KINDS.items())
"""What can be named, for help texts."""


def _metric(text: str, identifier: str) -> Target:
    found = _METRIC.fullmatch(identifier)
    if found is None:
        raise _bad(text, "it is not a metric with its statistic", _METRIC_FORM)
    namespace, name, stat = found["namespace"].strip(), found["name"].strip(), found["stat"]
    for what, value in (("namespace", namespace), ("name", name)):
        if not _is_text(value, _core.MAX_NAME_CHARS):
            raise _bad(
                text, f"the {what} {value!r} is not 1 to {_core.MAX_NAME_CHARS} characters of ASCII", _METRIC_FORM
            )
    if _STATISTIC.fullmatch(stat) is None:
        raise _bad(
            text, f"there is no statistic {stat}", "Average, Sum, Minimum, Maximum, SampleCount, p99 or the like"
        )
    metric = Metric(f"{name} {stat}", namespace, name, _dimensions(text, found["dimensions"] or ""), stat)
    return Target(text, "metric", f"Metric {identifier}", (Signal(f"{name} {stat}", (metric,)),))


def _dimensions(text: str, listed: str) -> Dimensions:
    dimensions: dict[str, str] = {}
    rest = listed
    while rest.strip():
        found = _DIMENSION.match(rest)
        if found is None:
            raise _bad(text, f"{rest!r} is not Dimension=Value", _METRIC_FORM)
        name, value = found[1], found[2] or found[3] or ""
        if name in dimensions:
            raise _bad(text, f"the dimension {name} stands there twice", _METRIC_FORM)
        if not _is_text(name, _core.MAX_NAME_CHARS) or not _is_text(value, _core.MAX_VALUE_CHARS):
            raise _bad(text, f"the dimension {name}={value} is empty, too long or not ASCII", _METRIC_FORM)
        dimensions[name] = value
        rest = rest[found.end() :]
    if len(dimensions) > _core.MAX_DIMENSIONS:
        raise _bad(text, f"a metric has at most {_core.MAX_DIMENSIONS} dimensions", _METRIC_FORM)
    return tuple(dimensions.items())


def _is_text(value: str, longest: int) -> bool:
    return 0 < len(value) <= longest and value.isascii() and value.isprintable() and bool(value.strip())
