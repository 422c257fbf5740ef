"""The metrics of a worker, which serves no HTTP otherwise: on a port of their own, if the operator names one."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server
from structlog import get_logger

from flow_forecaster.services.metrics import Metrics
from flow_forecaster.settings import Settings


class CannotExpose(Exception):
    """The port for metrics cannot be listened on."""


@contextmanager
def exposed(settings: Settings, metrics: Metrics) -> Iterator[None]:
    """Answer scrapes for the length of a block, on a thread, so that a worker that computes is heard all the same.

    Raises:
        CannotExpose: the address or the port is not to be had.
    """
    if settings.metrics_port is None:
        yield
        return
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, metrics.registry)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotExpose(f"{settings.metrics_host}:{settings.metrics_port}: {reason}") from error
    get_logger().info("metrics_served", host=settings.metrics_host, port=server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
