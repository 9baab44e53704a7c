"""What several functions count and log alike."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from mark_event_queue.domain.clients import Admission


def count_for_client(metrics: Metrics, name: str, client: str, events: int) -> None:
    """Count events under the function's service, which alarms watch, and once more under service and client."""
    metrics.add_metric(name, MetricUnit.Count, events)
    with single_metric(name, MetricUnit.Count, events, default_dimensions={"service": metrics.service}) as metric:
        metric.add_dimension("client", client)


@contextmanager
def counting(metrics: Metrics, *names: str) -> Iterator[Callable[[str, int], None]]:
    """Give a way to count from several threads at once, which metrics are not made for; tell them at the end.

    What has one of the names is told also when it is nought: an alarm sees that all is well again.
    """
    counted = [(name, 0) for name in names]
    try:
        yield lambda name, number: counted.append((name, number))
    finally:
        for name in dict.fromkeys(name for name, _ in counted):
            metrics.add_metric(name, MetricUnit.Count, sum(number for of, number in counted if of == name))


@contextmanager
def counted_as(name: str, error: type[Exception], count: Callable[[str, int], None]) -> Iterator[None]:
    """Count an error that is raised in the context, and let it go on."""
    try:
        yield
    except error:
        count(name, 1)
        raise


def tell_unserved(logger: Logger, admission: Admission) -> None:
    """Log, as errors, who has registered and gets nothing."""
    for complaint in admission.complaints():
        logger.error(complaint)
