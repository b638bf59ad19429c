"""A real terminal, tmux, and what stands on its screen while a Locust process runs in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from support.locust_run import clean_environment
from support.paths import LOCUSTFILES
from support.servers import wait_until
from support.users_python import USERS_PYTHON

CONF = """\
set -g remain-on-exit on
set -g remain-on-exit-format ""
set -g history-limit 5000
set -g default-terminal screen-256color
"""
# tmux loses a process's exit code now and then. Ctrl-C is for the process, not for the shell, and by itself it has the
# terminal throw away what was printed and not shown yet.
SHELL = 'trap : INT; stty noflsh; env "$@"; echo $? > exit_code'
SGR = re.compile(r"\x1b\[[\d;]*m")


class Terminal:
    """One window with one process, in a tmux server of its own. Ended by `kill`."""

    def __init__(
        self, folder: Path, command: Sequence[str], *, columns: int = 100, env: Mapping[str, str | None] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        # The path of a socket has to be short, and the folder may not be.
        self._sockets = tempfile.mkdtemp(prefix="tmux-")
        self._env = clean_environment(folder, TMUX=None, TMUX_TMPDIR=self._sockets, **(env or {}))
        conf = folder / "tmux.conf"
        conf.write_text(CONF)
        # tmux sets TERM for what runs in it.
        term = [f"TERM={env['TERM']}"] if env and env.get("TERM") else []
        size = ("-x", str(columns), "-y", "40")
        self._tmux(
            "-f",
            str(conf),
            "new-session",
            "-d",
            *size,
            "-c",
            str(folder),
            "--",
            "sh",
            "-c",
            SHELL,
            "sh",
            *term,
            *command,
        )
        self._pid = int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def _tmux(self, *args: str) -> str:
        command = ["tmux", "-L", "locust-cw", *args]
        return subprocess.run(command, env=self._env, check=True, capture_output=True, text=True, timeout=30).stdout

    @property
    def rows(self) -> list[str]:
        """Everything from the first row on, as it stands there: a long line takes several."""
        return self._tmux("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")

    @property
    def text(self) -> str:
        """The same with long lines whole."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    @property
    def colored(self) -> str:
        """The same with the escape sequences of colours."""
        return self._tmux("capture-pane", "-e", "-p", "-J", "-S", "-")

    def press(self, *keys: str) -> None:
        """Press keys, such as `C-c`."""
        self._tmux("send-keys", *keys)

    def wait_for(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """The first match on the screen, now or to come."""

        def search() -> re.Match[str] | None:
            found = re.search(pattern, self.text, re.MULTILINE)
            assert found or not self._ended, f"ended without {pattern!r}:\n{self.text}"
            return found

        # Each look starts two processes.
        found = wait_until(search, f"{pattern!r} on the screen of {self.folder}", timeout, every=0.2)
        assert found
        return found

    @property
    def exit_code(self) -> int:
        """Once the process has ended by itself."""
        wait_until(lambda: self._ended, f"the process in {self.folder} ends", 60, every=0.1)
        return int((self.folder / "exit_code").read_text())

    @property
    def _ended(self) -> bool:
        return self._tmux("display-message", "-p", "#{pane_dead}").strip() == "1"

    def kill(self) -> None:
        """End the server and its programs, in any state."""
        shell = psutil.Process(self._pid) if psutil.pid_exists(self._pid) else None
        processes = [] if shell is None else [shell, *shell.children(recursive=True)]
        self._tmux("kill-server")
        shutil.rmtree(self._sockets)
        for process in psutil.wait_procs(processes, 5)[1]:
            process.kill()


@contextmanager
def locust_in_terminal(
    folder: Path, locustfile: str, *args: str, columns: int = 100, env: Mapping[str, str | None] | None = None
) -> Iterator[Terminal]:
    """Locust in a terminal of its own, in `folder`, where it leaves `receipt.json`; ended with the block."""
    command = [USERS_PYTHON, "-m", "locust", "-f", str(LOCUSTFILES / locustfile), "--headless", "--only-summary"]
    command += ["--json-file", str(folder / "locust"), "--cw-receipt", str(folder / "receipt.json"), *args]
    terminal = Terminal(folder, command, columns=columns, env=env)
    try:
        yield terminal
    finally:
        terminal.kill()
