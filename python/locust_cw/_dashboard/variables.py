"""The variables of a dashboard: users choose the namespace and the host whose metrics it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locust_cw._dashboard.limits import MAX_VARIABLES, DashboardError
from locust_cw._dashboard.widget_json import Json, list_of

if TYPE_CHECKING:
    from locust_cw._dashboard.view import View

# CloudWatch replaces these texts everywhere in the body. They occur nowhere else in it, and mean the same as text and
# as a regular expression, which is how CloudWatch reads them.
NAMESPACE_PLACEHOLDER = "LocustCwNamespace"
HOST_PLACEHOLDER = "LocustCwHost"

MAX_HOSTS = 25
"""Most hosts to choose from. The oldest are removed."""

_NAMESPACE_ID, _HOST_ID = "locustCwNamespace", "locustCwHost"


def schema(namespace: str, *dimensions: str) -> str:
    """The set of metrics with exactly these dimensions, for a search."""
    # Names other than letters and digits must be quoted, and a variable can have any value.
    return "{" + ",".join(f'"{part}"' for part in (namespace, *dimensions)) + "}"


def variables(view: View, existing: object) -> list[Json]:
    """Our two variables, followed by the user's.

    Args:
        view: What the dashboard shows.
        existing: The variables that the dashboard has.

    Raises:
        DashboardError: If there are more than CloudWatch accepts.

    """
    earlier = [each for each in list_of(existing) if isinstance(each, dict)]
    others = [each for each in earlier if each.get("id") not in (_NAMESPACE_ID, _HOST_ID)]
    if len(others) + 2 > MAX_VARIABLES:
        raise DashboardError(
            f"the dashboard has {len(others)} variables, and CloudWatch accepts {MAX_VARIABLES} including the two of"
            " locust-cw: choose another dashboard"
        )
    hosts = [value for each in earlier if each.get("id") == _HOST_ID for value in list_of(each.get("values"))]
    return [_namespace(view), _host(view, hosts), *others]


def _namespace(view: View) -> Json:
    return {
        "id": _NAMESPACE_ID,
        "type": "pattern",
        "pattern": NAMESPACE_PLACEHOLDER,
        "inputType": "input",
        "label": "Namespace",
        "defaultValue": view.namespace,
        "visible": True,
    }


def _host(view: View, known: list[object]) -> Json:
    variable: Json = {
        "id": _HOST_ID,
        "type": "pattern",
        "pattern": HOST_PLACEHOLDER,
        "inputType": "select",
        "label": "Host",
        "visible": True,
    }
    if view.host is None:
        found = schema(view.namespace, "Host", *(name for name, _ in view.constants))
        return variable | {
            "defaultValue": "__FIRST",
            "search": f'{found} MetricName="RequestCount"',
            "populateFrom": "Host",
        }
    # A search finds a new metric only after some minutes. A host that is known is listed at once.
    chosen = {"value": view.host, "label": view.host_label or view.host}
    others = [value for value in known if isinstance(value, dict) and value.get("value") != view.host]
    return variable | {"defaultValue": view.host, "values": [chosen, *others][:MAX_HOSTS]}
