"""A client that is not HTTP: it fires Locust's `request` event itself, and that is all that locust-cw needs.

    locust -f examples/custom_client.py --cw-live

The service under test is a database file, so that the example needs no other program.
"""

import sqlite3
import tempfile
import time
from pathlib import Path

from locust import User, constant_throughput, events, task
from locust.env import Environment

import locust_cw  # noqa: F401 - the one line

DATABASE = Path(tempfile.gettempdir(), "locust-cw-example.db")


@events.test_start.add_listener
def make_table(environment: Environment, **_kwargs: object) -> None:
    """Begin with an empty table."""
    del environment
    with sqlite3.connect(DATABASE) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, product TEXT)")
    connection.close()


class Database:
    """Runs statements and reports each as a request."""

    def __init__(self, environment: Environment) -> None:
        """Report to the events of `environment`."""
        self._environment = environment
        self._connection = sqlite3.connect(DATABASE)

    def run(self, name: str, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run a statement; a failure is reported, and not raised."""
        start_time, begun = time.time(), time.perf_counter()
        rows: list[tuple[object, ...]] = []
        exception: Exception | None = None
        try:
            with self._connection:
                rows = self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            exception = error
        self._environment.events.request.fire(
            request_type="SQL",  # the method in the log, and of the dimension Method
            name=name,  # what groups requests, and makes a series
            start_time=start_time,
            response_time=(time.perf_counter() - begun) * 1000,  # ms
            response_length=len(rows),
            exception=exception,
            context={"database": DATABASE.name},  # stands in the log event
        )
        return rows


class Clerk(User):
    """Writes orders and looks them up; the third statement always fails."""

    host = "sqlite://localhost"
    wait_time = constant_throughput(5)

    def on_start(self) -> None:
        """Connect."""
        self.database = Database(self.environment)

    @task(3)
    def order(self) -> None:
        """Write an order."""
        self.database.run("insert order", "INSERT INTO orders (product) VALUES (?)", "lamp")

    @task(3)
    def look_up(self) -> None:
        """Read the newest orders."""
        self.database.run("newest orders", "SELECT * FROM orders ORDER BY id DESC LIMIT 10")

    @task
    def mistake(self) -> None:
        """Ask a table that is not there."""
        self.database.run("customers", "SELECT * FROM customers")
