"""Requests that fail, each with SECRET in its URL, by each kind of client; one user of each does one round."""

import os
from typing import Any

from locust import FastHttpUser, HttpUser, User, task
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import finite
import locust_cw

SECRET = os.environ["SECRET"]
# Where a client leaves it as it is: behind a space and an apostrophe too.
QUERY = f"access_token={SECRET}&page=2"
RAW = f"password={SECRET}'{SECRET} {SECRET}&page=2"
ORIGIN = os.environ["TARGET"]
WITH_USER = ORIGIN.replace("://", f"://user:{SECRET}@")

finite.ROUNDS = 1


class WithRequests(finite.FiniteUser, HttpUser):
    host = ORIGIN

    def on_start(self) -> None:
        # Its error quotes the URL: "Max retries exceeded with url".
        retry = Retry(total=1, status_forcelist=[404], backoff_factor=0)
        self.client.mount(f"{ORIGIN}/retried", HTTPAdapter(max_retries=retry))

    @task
    def fail(self) -> None:
        self.client.get(f"/missing?{QUERY}", name="/missing", context={"seen": f"{ORIGIN}/missing?{QUERY}"})
        self.client.get(f"/retried?{QUERY}'{SECRET}", name="/retried")
        with self.client.get(f"/checked?{QUERY}", name="/checked", catch_response=True) as response:
            response.failure(f"no {response.url}, but {response.status_code}")
        with self.client.get(f"/raised?{QUERY}", name="/raised", catch_response=True) as response:
            response.url = f"{ORIGIN}/raised?{QUERY}"
            try:
                response.raise_for_status()
            except OSError as error:
                response.failure(error)
        self.round_over()


class Fast(finite.FiniteUser, FastHttpUser):
    host = ORIGIN

    @task
    def fail(self) -> None:
        for path in (
            f"/missing?{QUERY}",
            f"/missing?{RAW}",
            f"/missing?{SECRET}",
            f"/missing?page=2#access_token={SECRET}",
            f"/missing;jsessionid={SECRET}",
            f"{WITH_USER}/missing",
        ):
            self.client.get(path, name="/fast")
        self.round_over()


class Other(finite.FiniteUser, User):
    """What other clients report, and a text that is cut in the middle of a URL."""

    host = WITH_USER

    def fire(self, exception: object, **more: Any) -> None:
        usual = {"request_type": "GET", "name": "/other", "response_time": 5, "response_length": 0}
        self.environment.events.request.fire(**usual, exception=exception, **more)

    @task
    def fail(self) -> None:
        url = f"{ORIGIN}/x?{QUERY}"
        self.fire(f"404, message='Not Found', url='{url}'")
        self.fire(
            RuntimeError(f'status = UNAVAILABLE details = "no {WITH_USER}/x" grpc_message:"{url}"'), url=WITH_USER
        )
        self.fire(RuntimeError(f"{WITH_USER} " * (1_100_000 // len(WITH_USER))))
        self.fire(f"{url} ".encode() * (1_100_000 // len(url)))
        self.fire(None, context={"callback": f"app://done#access_token={SECRET}"})
        self.round_over()


__all__ = ["Fast", "Other", "WithRequests", "locust_cw"]
