"""Master and workers talk in messages of their own: each worker gets its share of accounts and says so."""

from typing import Any

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

import patient  # noqa: F401 - the master is
from finite import FiniteUser

ACCOUNTS = [f"account-{number}" for number in range(6)]

mine: list[str] = []
answers: list[str] = []


def receive(environment: Environment, msg: Any, **_: Any) -> None:
    mine.extend(msg.data["mine"])
    assert environment.runner
    environment.runner.send_message("acknowledged", f"{len(mine)} accounts")


def acknowledged(msg: Any, **_: Any) -> None:
    answers.append(msg.data)


@events.init.add_listener
def listen(environment: Environment, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message("accounts", receive)
    if isinstance(environment.runner, MasterRunner):
        environment.runner.register_message("acknowledged", acknowledged)


@events.test_start.add_listener
def share(environment: Environment, **_: Any) -> None:
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        clients = sorted(runner.clients)
        for number, client in enumerate(clients):
            runner.send_message("accounts", {"mine": ACCOUNTS[number :: len(clients)]}, client)


@events.report_to_master.add_listener
def report(data: dict[str, Any], **_: Any) -> None:
    data["accounts"] = len(mine)


seen: dict[str, int] = {}


@events.worker_report.add_listener
def reported(client_id: str, data: dict[str, Any]) -> None:
    seen[client_id] = data["accounts"]


@events.quit.add_listener
def tell(**_: Any) -> None:
    print(f"> got {sorted(mine)}; answers {sorted(answers)}; reports {sorted(seen.values())}", flush=True)


class Holder(FiniteUser, User):
    @task
    def use(self) -> None:
        while not mine:
            gevent.sleep(0.01)
        for account in mine:
            self.environment.events.request.fire(
                request_type="USE", name=account, response_time=2, response_length=1, exception=None
            )
        self.round_over()
