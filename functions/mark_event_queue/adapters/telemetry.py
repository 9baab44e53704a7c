"""Counts that people ask for both ways: for everybody together, which alarms watch, and by client."""

from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric


def count_for_client(metrics: Metrics, name: str, client: str, events: int) -> None:
    """Count events under the function's service, and once more under service and client."""
    metrics.add_metric(name, MetricUnit.Count, events)
    with single_metric(name, MetricUnit.Count, events, default_dimensions={"service": metrics.service}) as metric:
        metric.add_dimension("client", client)
