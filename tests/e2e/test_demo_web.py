"""`make demo-web`: the shop, a local CloudWatch and Locust's web UI, from one command, which leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from support.paths import ROOT
from support.servers import ending, get, wait_until

DEMO = ROOT / "examples" / "demo" / "web.py"


def alive(session: int) -> list[str]:
    """The commands of the processes that a demo has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (path / "environ").read_bytes(), (path / "cmdline").read_bytes()
        except OSError:
            continue
        if f"DEMO_OF={session}".encode() in environment.split(b"\0"):
            found.append(command.replace(b"\0", b" ").decode())
    return found


def test_the_demo_serves_the_tab_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """The target's metrics are in the local CloudWatch before the test starts."""
    output = tmp_path / "out"
    env = os.environ | {"DEMO_OF": str(os.getpid()), "TMPDIR": str(tmp_path)}
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, DEMO, "--port", "0", "--users", "5"], env=env, stdout=out, stderr=out
        )
    with ending(process):
        wait_until(lambda: "Web UI: " in output.read_text() or process.poll() is not None, "the address is printed")
        found = re.search(r"Web UI: (http://127\.0\.0\.1:\d+)/\?tab=cloudwatch", output.read_text())
        assert found, output.read_text()
        url = found[1]
        assert json.loads(get(f"{url}/swarm", b"user_count=5&spawn_rate=5"))["success"]

        def live() -> dict[str, object]:
            return dict(json.loads(get(f"{url}/cloudwatch/live")))

        wait_until(lambda: live()["run"] is not None, "there is a run")

        def has_target_values() -> bool:
            targets = live().get("targets")
            return isinstance(targets, dict) and bool(targets["values"]) and bool(targets["values"]["target1-0"][0][0])

        wait_until(has_target_values, "the queue length is there")
        status = json.loads(get(f"{url}/cloudwatch/status"))
        wait_until(lambda: json.loads(get(f"{url}/cloudwatch/status"))["rows"][0]["observed"] > 20, "requests")
        assert len(status["checks"]["rows"]) == 4
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0, output.read_text()
    wait_until(lambda: not alive(os.getpid()), "no process is left", timeout=30)
    assert list(tmp_path.iterdir()) == [output]
