"""A client for another protocol than HTTP. It fires Locust's `request` event, which is all that locust-cw needs.

    locust -f examples/custom_client.py --cw-live

The service under test is a database file, so the example needs no other program.
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
    """Create an empty table."""
    del environment
    with sqlite3.connect(DATABASE) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, product TEXT)")
    connection.close()


class Database:
    """A database client that reports each statement as a request."""

    def __init__(self, environment: Environment) -> None:
        """Connect, and report to the events of `environment`."""
        self._environment = environment
        self._connection = sqlite3.connect(DATABASE)

    def run(self, name: str, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Run a statement. A failure is reported, not raised."""
        start_time, begun = time.time(), time.perf_counter()
        rows: list[tuple[object, ...]] = []
        exception: Exception | None = None
        try:
            with self._connection:
                rows = self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            exception = error
        self._environment.events.request.fire(
            request_type="SQL",  # the method in log events, and the dimension Method
            name=name,  # the request name, which makes a series
            start_time=start_time,
            response_time=(time.perf_counter() - begun) * 1000,  # ms
            response_length=len(rows),
            exception=exception,
            context={"database": DATABASE.name},  # a field of the log event
        )
        return rows


class Clerk(User):
    """A user who writes and reads orders. A third statement always fails."""

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
        """Query a table that does not exist."""
        self.database.run("customers", "SELECT * FROM customers")
