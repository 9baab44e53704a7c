"""What several functions count and log alike."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from mark_event_queue.domain.clients import Admission


def count_for_client(metrics: Metrics, name: str, client: str, events: int) -> None:
    """Count events under the function's service, which alarms watch, and once more under service and client."""
    metrics.add_metric(name, MetricUnit.Count, events)
    with single_metric(name, MetricUnit.Count, events, default_dimensions={"service": metrics.service}) as metric:
        metric.add_dimension("client", client)


def tell_unserved(logger: Logger, admission: Admission) -> None:
    """Log, as errors, who has registered and gets nothing."""
    for complaint in admission.complaints():
        logger.error(complaint)
