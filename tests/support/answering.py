"""AWS as a scripted server: it answers every call as AWS does, and keeps nothing. See `Proxy` for faults."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from support.proxy import REQUEST_ID, Answer, Exchange, Proxy, cbor_answer, json_answer

ACCOUNT = "123456789012"
_XML = {"Content-Type": "text/xml", "x-amzn-RequestId": REQUEST_ID}
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"

OUTPUTS: dict[str, object] = {
    "PutMetricData": {},
    "GetDashboard": {"DashboardName": "d", "DashboardArn": "arn", "DashboardBody": '{"widgets":[]}'},
    "PutDashboard": {"DashboardValidationMessages": []},
    "DescribeAlarms": {
        "MetricAlarms": [{"AlarmName": "a", "StateValue": "OK", "StateReason": "fine"}],
        "CompositeAlarms": [],
    },
}


def success(exchange: Exchange) -> Answer:
    """What AWS answers if all is well."""
    operation = exchange.call.operation
    if exchange.call.service == "logs":
        return json_answer({})
    if exchange.call.service == "cloudwatch":
        return cbor_answer(OUTPUTS[operation])
    if operation == "GetCallerIdentity":
        result = f"<Arn>arn:aws:iam::{ACCOUNT}:user/tester</Arn><UserId>U</UserId><Account>{ACCOUNT}</Account>"
    else:
        result = (
            "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
            "</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
        )
    text = f'<{operation}Response xmlns="{_STS}"><{operation}Result>{result}</{operation}Result></{operation}Response>'
    return Answer(200, _XML, text.encode())


@contextmanager
def answering() -> Iterator[Proxy]:
    """A server that answers every call with success, until the block ends."""
    with Proxy("http://127.0.0.1:9") as proxy:
        proxy.on("*", success)
        yield proxy
