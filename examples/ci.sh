#!/bin/sh
# A step of a pipeline: a load test that passes only if the service held, and if CloudWatch has all of it.
#
#     examples/ci.sh https://service.example
#
# Exit code 0: all is well. 1: requests failed, or not every sample was delivered. 2: a wrong option, before any load.
# receipt.json is there in each case but the last; keep it, as it tells how much was sent, and the run id.
set -u

host=${1:?usage: ci.sh HOST}
here=$(dirname "$0")

# An earlier one would be taken for this run's where a wrong option ends it.
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
