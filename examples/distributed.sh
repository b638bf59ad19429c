#!/bin/sh
# A master and two workers on this machine, each a process of its own, as they would be on three machines.
#
#     examples/distributed.sh --host https://service.example --cw-live --run-time 1m
#
# The options are the master's, which hands them on to the workers. Each worker publishes its own requests; the master
# prints one receipt for all. On one machine `--processes 2` does the same with less ado.
set -eu

here=$(dirname "$0")
locustfile=${LOCUSTFILE:-"$here/locustfile.py"}
workers=2
port=${MASTER_PORT:-5557}

# On other machines: --master-host with the master's address. Each needs AWS credentials of its own there.
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

# When the test is over the master sends the workers home. If it never began, as with a wrong option or where its port is
# taken, they would wait for a master for ever. To one that is about to go the signal says nothing new: it delivers first.
# shellcheck disable=SC2086 # several words, as meant
[ "$code" -eq 0 ] || kill $pids 2>/dev/null || true
wait
exit "$code"
