"""The real template, deployed once per run by the SAM CLI onto an engine of its own."""

from collections.abc import Iterator

import pytest

from local.session import Session, deployed


@pytest.fixture(scope="session")
def stack() -> Iterator[Session]:
    """The pipeline with three clients: the original one and two that subscribed by client.yaml."""
    with deployed("Insurer", "Police") as session:
        yield session


@pytest.fixture(autouse=True)
def nothing_waits(request: pytest.FixtureRequest) -> None:
    """Every test of the stack starts with empty queues and with nothing held, whatever ran before it."""
    if "stack" not in request.fixturenames:
        return
    stack: Session = request.getfixturevalue("stack")
    sqs = stack.engine.client("sqs")
    for url in stack.queues.values():
        sqs.purge_queue(QueueUrl=url)
    dynamodb, table = stack.engine.client("dynamodb"), stack.outputs["ParkedEventsTableName"]
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="pk, sk"):
        for key in page["Items"]:
            dynamodb.delete_item(TableName=table, Key=key)


def pytest_itemcollected(item: pytest.Function) -> None:
    """Have the tests of the stack run one after another, where others run beside them."""
    if "stack" in item.fixturenames:
        item.add_marker(pytest.mark.xdist_group("stack"))
