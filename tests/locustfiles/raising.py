"""Users whose tasks raise exceptions, in the user and in a task set of it, a known number of times."""

from locust import TaskSet, User, constant, task

import locust_cw  # noqa: F401 - it registers

FROM_USER, FROM_TASK_SET = 3, 2


class OutOfStock(Exception):  # noqa: N818 - a name as users give them
    pass


class Buyer(User):
    wait_time = constant(0.01)
    left = FROM_USER

    @task
    def buy(self) -> None:
        if self.left == 0:
            return
        self.left -= 1
        raise OutOfStock("no tea, see https://shop.example/tea?token=s3cr3t")


class Browser(User):
    wait_time = constant(0.01)

    @task
    class Pages(TaskSet):
        left = FROM_TASK_SET

        @task
        def read(self) -> None:
            if self.left == 0:
                return
            self.left -= 1
            raise KeyError("page")
