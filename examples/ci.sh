#!/bin/sh
# A pipeline step: a load test that passes only if no request failed and CloudWatch has every sample.
#
#     examples/ci.sh https://service.example
#
# Exit code 0: passed. 1: requests failed, or a sample was not delivered. 2: invalid option, before any load.
# Except for exit code 2, the step writes receipt.json. Keep it as an artifact: it has the run ID and the totals.
set -u

host=${1:?usage: ci.sh HOST}
here=$(dirname "$0")

# With an invalid option, Locust writes no receipt, and the file of an earlier run would be misleading.
rm -f receipt.json

code=0
locust -f "$here/locustfile.py" --host "$host" --headless --users 10 --spawn-rate 10 --run-time "${RUN_TIME:-1m}" \
    --only-summary --cw-live --cw-logs failures --cw-drain-timeout 60 --cw-receipt receipt.json --cw-fail-on-loss ||
    code=$?

if [ -f receipt.json ]; then
    python3 - <<'PYTHON'
import json

receipt = json.load(open("receipt.json"))
requests = receipt["requests"]
print(f"Run {receipt['run_id']}: {requests['delivered']} of {requests['observed']} requests are in CloudWatch,")
print(f"about ${receipt['estimated_cost_usd']:.4f}. Reconciled with Locust: {receipt['reconciled']}.")
PYTHON
fi
exit "$code"
