"""`--cw-local`: a CloudWatch on this machine, which runs until the session is closed."""

from __future__ import annotations

import logging

from locust_cw._aws.local import LocalCloudWatch, LocalCloudWatchError
from locust_cw._plugin.extension import StartError

logger = logging.getLogger("locust_cw")


def start() -> LocalCloudWatch:
    """Start it.

    Raises:
        StartError: If it cannot be started.

    """
    try:
        local = LocalCloudWatch()
    except LocalCloudWatchError as error:
        raise StartError(str(error)) from error
    logger.info("A local CloudWatch listens at %s for as long as this process runs", local.endpoint_url)
    return local
