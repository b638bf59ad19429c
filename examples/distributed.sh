#!/bin/sh
# A master and two workers on this machine, as separate processes, as on three machines.
#
#     examples/distributed.sh --host https://service.example --cw-live --run-time 1m
#
# The options go to the master, which sends them to the workers. Each worker publishes its own requests, and the master
# prints one receipt. On a single machine, `--processes 2` is simpler.
set -eu

here=$(dirname "$0")
locustfile=${LOCUSTFILE:-"$here/locustfile.py"}
workers=2
port=${MASTER_PORT:-5557}

# On other machines, use the master's address for --master-host. Each machine needs AWS credentials.
pids=
started=0
while [ "$started" -lt "$workers" ]; do
    locust -f "$locustfile" --worker --master-host 127.0.0.1 --master-port "$port" &
    pids="$pids $!"
    started=$((started + 1))
done

code=0
locust -f "$locustfile" --master --master-bind-port "$port" --headless --expect-workers "$workers" --users 10 "$@" ||
    code=$?

# After a test, the master stops the workers. If the master exits earlier, for example because of an invalid option or a
# port in use, the workers would wait for it forever. A worker that is already stopping delivers its results first.
# shellcheck disable=SC2086 # word splitting is intended
[ "$code" -eq 0 ] || kill $pids 2>/dev/null || true
wait
exit "$code"
