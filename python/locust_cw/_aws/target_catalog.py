"""The kinds of AWS resources that `--cw-target` accepts, as data.

Each kind has its golden signals: latency, traffic, errors and saturation, as far as AWS publishes a metric for them.
Names, dimensions and statistics come from the services' lists of CloudWatch metrics, ID patterns from their API
references. Where a reference does not restrict a name, any printable ASCII text without surrounding blanks is accepted.
"""

from __future__ import annotations

from locust_cw._aws.graph_metric import Signal
from locust_cw._aws.target_schema import Kind, Namespace, id_form

_ANY = r"[!-~](?:[ -~]{0,253}[!-~])?"
_ANY_BUT_COLON = _ANY.replace("!-~", "!-9;-~").replace(" -~", " -9;-~")
_BALANCER_ID = r"[A-Za-z0-9-]{1,32}/[0-9a-f]{1,32}"
_TARGET_GROUP = rf"(?P<group>targetgroup/{_BALANCER_ID})"

# EC2 and Auto Scaling

_ec2 = Namespace("AWS/EC2")
_auto_scaling = Namespace("AWS/AutoScaling")

_INSTANCE_SIGNALS = (
    # With basic monitoring, EC2 publishes a value every five minutes, so the period cannot be used: hence DIFF_TIME.
    Signal(
        "Traffic",
        (
            _ec2.rate("NetworkIn", "in", divisor="DIFF_TIME"),
            _ec2.rate("NetworkOut", "out", divisor="DIFF_TIME"),
        ),
        "Bytes/s",
    ),
    Signal("Errors", (_ec2("StatusCheckFailed", "Maximum", "status check failed"),), "Count"),
    Signal(
        "Saturation",
        (_ec2("CPUUtilization", "Average", "CPU average"), _ec2("CPUUtilization", "Maximum", "CPU maximum")),
        "Percent",
    ),
)
_INSTANCE = id_form(
    r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})",
    (("InstanceId", "{id}"),),
    *_INSTANCE_SIGNALS,
    Signal("Saturation: CPU credits", (_ec2("CPUCreditBalance", "Minimum", "credits left"),), "Count"),
)
_AUTO_SCALING_GROUP = id_form(
    _ANY_BUT_COLON,
    (("AutoScalingGroupName", "{id}"),),
    *_INSTANCE_SIGNALS,
    Signal(
        "Saturation: instances",
        (
            _auto_scaling("GroupInServiceInstances", "Average", "in service"),
            _auto_scaling("GroupDesiredCapacity", "Average", "desired"),
            _auto_scaling("GroupMaxSize", "Average", "maximum size"),
        ),
        "Count",
    ),
)

# Elastic Load Balancing

_alb = Namespace("AWS/ApplicationELB")
_nlb = Namespace("AWS/NetworkELB")

_APPLICATION_LOAD_BALANCER = id_form(
    rf"app/{_BALANCER_ID}",
    (("LoadBalancer", "{id}"),),
    Signal("Latency", _alb.percentiles("TargetResponseTime"), "Seconds"),
    Signal("Traffic", (_alb.rate("RequestCount", "requests"),), "Requests/s"),
    Signal(
        "Errors",
        (
            _alb.rate("HTTPCode_Target_5XX_Count", "target 5xx"),
            _alb.rate("HTTPCode_ELB_5XX_Count", "load balancer 5xx"),
            _alb.rate("HTTPCode_Target_4XX_Count", "target 4xx"),
            _alb.rate("TargetConnectionErrorCount", "target connection errors"),
        ),
        "Errors/s",
    ),
    Signal(
        "Saturation",
        (
            _alb("ActiveConnectionCount", "Sum", "active connections"),
            _alb("RejectedConnectionCount", "Sum", "rejected connections"),
        ),
        "Count",
    ),
)
_NETWORK_LOAD_BALANCER = id_form(
    rf"net/{_BALANCER_ID}",
    (("LoadBalancer", "{id}"),),
    Signal("Traffic", (_nlb.rate("NewFlowCount", "new flows"),), "Flows/s"),
    Signal("Traffic: bytes", (_nlb.rate("ProcessedBytes", "processed"),), "Bytes/s"),
    Signal(
        "Errors",
        (
            _nlb.rate("TCP_Target_Reset_Count", "target resets"),
            _nlb.rate("TCP_Client_Reset_Count", "client resets"),
            _nlb.rate("TCP_ELB_Reset_Count", "load balancer resets"),
            _nlb.rate("PortAllocationErrorCount", "port allocation errors"),
        ),
        "Errors/s",
    ),
    Signal("Saturation", (_nlb("ActiveFlowCount", "Average", "active flows"),), "Count"),
)


def _healthy_targets(namespace: Namespace) -> Signal:
    return Signal(
        "Saturation",
        (
            namespace("HealthyHostCount", "Minimum", "healthy targets"),
            namespace("UnHealthyHostCount", "Maximum", "unhealthy targets"),
        ),
        "Count",
    )


_TARGET_GROUP_FORMS = (
    # RequestCountPerTarget is the only metric with this dimension alone. All others have the load balancer's as well.
    id_form(
        _TARGET_GROUP,
        (("TargetGroup", "{group}"),),
        Signal("Traffic", (_alb.rate("RequestCountPerTarget", "requests per target"),), "Requests/s"),
    ),
    id_form(
        rf"(?P<balancer>app/{_BALANCER_ID})/{_TARGET_GROUP}",
        (("TargetGroup", "{group}"), ("LoadBalancer", "{balancer}")),
        Signal("Latency", _alb.percentiles("TargetResponseTime"), "Seconds"),
        Signal(
            "Traffic",
            (
                _alb.rate("RequestCount", "requests"),
                _alb.rate("RequestCountPerTarget", "requests per target"),
            ),
            "Requests/s",
        ),
        Signal(
            "Errors",
            (
                _alb.rate("HTTPCode_Target_5XX_Count", "5xx"),
                _alb.rate("HTTPCode_Target_4XX_Count", "4xx"),
                _alb.rate("TargetConnectionErrorCount", "target connection errors"),
            ),
            "Errors/s",
        ),
        _healthy_targets(_alb),
    ),
    id_form(
        rf"(?P<balancer>net/{_BALANCER_ID})/{_TARGET_GROUP}",
        (("TargetGroup", "{group}"), ("LoadBalancer", "{balancer}")),
        _healthy_targets(_nlb),
    ),
)

# Databases, caches and queues

_rds = Namespace("AWS/RDS")
_DB_INSTANCE = id_form(
    r"[A-Za-z](?:-?[A-Za-z0-9]){0,62}",
    (("DBInstanceIdentifier", "{id}"),),
    Signal(
        "Latency",
        (_rds("ReadLatency", "Average", "disk read"), _rds("WriteLatency", "Average", "disk write")),
        "Seconds",
    ),
    Signal(
        "Traffic",
        (_rds("ReadIOPS", "Average", "reads"), _rds("WriteIOPS", "Average", "writes")),
        "Operations/s",
    ),
    Signal(
        "Saturation",
        (_rds("CPUUtilization", "Average", "CPU"), _rds("BurstBalance", "Minimum", "disk burst balance")),
        "Percent",
    ),
    Signal(
        "Saturation: connections",
        (
            _rds("DatabaseConnections", "Maximum", "connections"),
            _rds("DiskQueueDepth", "Average", "disk queue"),
        ),
        "Count",
    ),
    Signal("Saturation: memory", (_rds("FreeableMemory", "Minimum", "freeable"),), "Bytes"),
)

_dynamodb = Namespace("AWS/DynamoDB")
# The most frequent operations. Each has metrics of its own.
_OPERATIONS = ("GetItem", "Query", "PutItem", "UpdateItem")
_DYNAMODB_TABLE = id_form(
    r"[A-Za-z0-9_.-]{3,255}",
    (("TableName", "{id}"),),
    Signal(
        "Latency",
        tuple(
            _dynamodb("SuccessfulRequestLatency", "Average", operation, ("Operation", operation))
            for operation in _OPERATIONS
        ),
        "Milliseconds",
    ),
    Signal(
        "Traffic",
        (
            _dynamodb.rate("ConsumedReadCapacityUnits", "read units consumed"),
            _dynamodb.rate("ConsumedWriteCapacityUnits", "write units consumed"),
        ),
        "Units/s",
    ),
    Signal(
        "Errors",
        (
            _dynamodb.rate("ReadThrottleEvents", "reads throttled"),
            _dynamodb.rate("WriteThrottleEvents", "writes throttled"),
            *(
                _dynamodb.rate("SystemErrors", f"{operation} failed", ("Operation", operation))
                for operation in _OPERATIONS
            ),
        ),
        "Errors/s",
    ),
    Signal(
        "Saturation",
        (
            _dynamodb("ProvisionedReadCapacityUnits", "Average", "read units provisioned"),
            _dynamodb("ProvisionedWriteCapacityUnits", "Average", "write units provisioned"),
        ),
        "Units/s",
    ),
)

_sqs = Namespace("AWS/SQS")
_QUEUE = id_form(
    r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo",
    (("QueueName", "{id}"),),
    Signal("Latency", (_sqs("ApproximateAgeOfOldestMessage", "Maximum", "age of the oldest message"),), "Seconds"),
    Signal(
        "Traffic",
        (
            _sqs.rate("NumberOfMessagesSent", "sent"),
            _sqs.rate("NumberOfMessagesReceived", "received"),
            _sqs.rate("NumberOfMessagesDeleted", "deleted"),
        ),
        "Messages/s",
    ),
    Signal(
        "Saturation",
        (
            _sqs("ApproximateNumberOfMessagesVisible", "Maximum", "waiting"),
            _sqs("ApproximateNumberOfMessagesNotVisible", "Maximum", "in flight"),
        ),
        "Count",
    ),
)

_elasticache = Namespace("AWS/ElastiCache")
_CACHE_CLUSTER = id_form(
    r"[A-Za-z](?:-?[A-Za-z0-9]){0,49}",
    (("CacheClusterId", "{id}"),),
    Signal(
        "Latency",
        (
            _elasticache("GetTypeCmdsLatency", "Average", "read commands"),
            _elasticache("SetTypeCmdsLatency", "Average", "write commands"),
        ),
        "Microseconds",
    ),
    Signal(
        "Traffic",
        (
            _elasticache.rate("GetTypeCmds", "read commands"),
            _elasticache.rate("SetTypeCmds", "write commands"),
        ),
        "Commands/s",
    ),
    Signal(
        "Errors",
        (_elasticache.rate("Evictions", "evictions"), _elasticache.rate("CacheMisses", "misses")),
        "Keys/s",
    ),
    Signal(
        "Saturation",
        (
            _elasticache("EngineCPUUtilization", "Maximum", "engine CPU"),
            _elasticache("CPUUtilization", "Maximum", "host CPU"),
            _elasticache("DatabaseMemoryUsagePercentage", "Maximum", "memory"),
        ),
        "Percent",
    ),
    Signal("Saturation: connections", (_elasticache("CurrConnections", "Maximum", "connections"),), "Count"),
)

# Compute and APIs

_container = Namespace("AWS/ECS")
_container_insights = Namespace("ECS/ContainerInsights")
_ECS_SERVICE = id_form(
    r"(?P<cluster>[A-Za-z0-9_-]{1,255})/(?P<service>[A-Za-z0-9_-]{1,255})",
    (("ClusterName", "{cluster}"), ("ServiceName", "{service}")),
    Signal(
        "Traffic (Container Insights)",
        (
            _container_insights("NetworkRxBytes", "Average", "in"),
            _container_insights("NetworkTxBytes", "Average", "out"),
        ),
        "Bytes/s",
    ),
    Signal(
        "Saturation",
        (
            _container("CPUUtilization", "Average", "CPU average"),
            _container("CPUUtilization", "Maximum", "CPU maximum"),
            _container("MemoryUtilization", "Average", "memory average"),
            _container("MemoryUtilization", "Maximum", "memory maximum"),
        ),
        "Percent",
    ),
    Signal(
        "Errors: tasks (Container Insights)",
        (
            _container_insights("RunningTaskCount", "Minimum", "running"),
            _container_insights("PendingTaskCount", "Maximum", "pending"),
            _container_insights("DesiredTaskCount", "Maximum", "desired"),
        ),
        "Count",
    ),
)

_lambda = Namespace("AWS/Lambda")
_LAMBDA_SIGNALS = (
    Signal("Latency", _lambda.percentiles("Duration"), "Milliseconds"),
    Signal("Traffic", (_lambda.rate("Invocations", "invocations"),), "Requests/s"),
    Signal("Errors", (_lambda.rate("Errors", "errors"), _lambda.rate("Throttles", "throttles")), "Errors/s"),
    Signal("Saturation", (_lambda("ConcurrentExecutions", "Maximum", "concurrent executions"),), "Count"),
)
_FUNCTION_NAME = r"(?P<function>[A-Za-z0-9_-]{1,140})"
_LAMBDA_FORMS = (
    id_form(_FUNCTION_NAME, (("FunctionName", "{function}"),), *_LAMBDA_SIGNALS),
    id_form(
        rf"{_FUNCTION_NAME}:[$A-Za-z0-9_-]{{1,128}}",
        (("FunctionName", "{function}"), ("Resource", "{id}")),
        *_LAMBDA_SIGNALS,
    ),
)

_api_gateway = Namespace("AWS/ApiGateway")
_REST_API = id_form(
    _ANY,
    (("ApiName", "{id}"),),
    Signal(
        "Latency",
        (
            *_api_gateway.percentiles("Latency"),
            _api_gateway("IntegrationLatency", "p50", "integration p50"),
            _api_gateway("IntegrationLatency", "p99", "integration p99"),
        ),
        "Milliseconds",
    ),
    Signal("Traffic", (_api_gateway.rate("Count", "requests"),), "Requests/s"),
    Signal("Errors", (_api_gateway.rate("5XXError", "5xx"), _api_gateway.rate("4XXError", "4xx")), "Errors/s"),
)

# CloudFront is a global service. Its metrics are stored in one region.
_cloudfront = Namespace("AWS/CloudFront", region="us-east-1")
_DISTRIBUTION = id_form(
    r"[A-Z0-9]{8,20}",
    (("DistributionId", "{id}"), ("Region", "Global")),
    Signal("Latency", _cloudfront.percentiles("OriginLatency"), "Milliseconds"),
    Signal("Traffic", (_cloudfront.rate("Requests", "requests"),), "Requests/s"),
    Signal(
        "Errors",
        (_cloudfront("5xxErrorRate", "Average", "5xx"), _cloudfront("4xxErrorRate", "Average", "4xx")),
        "Percent",
    ),
    Signal("Saturation", (_cloudfront("CacheHitRate", "Average", "cache hits"),), "Percent"),
)

KINDS = {
    "ec2": Kind("instance", "i-0123456789abcdef0", (_INSTANCE,)),
    "asg": Kind("Auto Scaling group", "NAME", (_AUTO_SCALING_GROUP,)),
    "alb": Kind("Application Load Balancer", "app/NAME/ID, the end of its ARN", (_APPLICATION_LOAD_BALANCER,)),
    "nlb": Kind("Network Load Balancer", "net/NAME/ID, the end of its ARN", (_NETWORK_LOAD_BALANCER,)),
    "targetgroup": Kind(
        "target group",
        "app/NAME/ID/targetgroup/NAME/ID, with its load balancer, or targetgroup/NAME/ID for the requests alone",
        _TARGET_GROUP_FORMS,
    ),
    "rds": Kind("DB instance", "IDENTIFIER", (_DB_INSTANCE,)),
    "ecs": Kind("ECS service", "CLUSTER/SERVICE", (_ECS_SERVICE,)),
    "lambda": Kind("Lambda function", "NAME or NAME:ALIAS", _LAMBDA_FORMS),
    "apigateway": Kind("API (REST)", "NAME", (_REST_API,)),
    "dynamodb": Kind("DynamoDB table", "TABLE", (_DYNAMODB_TABLE,)),
    "sqs": Kind("queue", "QUEUE", (_QUEUE,)),
    "elasticache": Kind("cache cluster", "ID", (_CACHE_CLUSTER,)),
    "cloudfront": Kind("distribution", "ID, such as E1ABCDEF2GHIJK", (_DISTRIBUTION,)),
}
"""Every kind but `metric`, whose ID is the metric itself."""
