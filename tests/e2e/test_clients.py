"""Proves, on the deployed stack, that clients come, go and fail without touching one another."""

import json

import pytest

from local import inspection
from local import stack as deployment
from local.guarantees import Evidence, verdicts
from local.marks import Item, Mark
from local.queues import depth, drain, until
from local.session import Session
from tests.builders import DENY_ALL


@pytest.fixture(scope="module")
def mark(stack: Session):
    """A mark that has events while clients come and go; that registrations change within a minute is a unit test's."""
    mark = Mark("SU BS")
    stack.deliver([mark.lock()])
    ssm, path = stack.engine.client("ssm"), stack.outputs["ClientsPath"]
    ssm.put_parameter(Name=f"{path}/Muddled", Value="queue please", Type="String")
    deeper = json.dumps({"queueUrl": stack.queues["Insurer"]})
    ssm.put_parameter(Name=f"{path}/team/Deeper", Value=deeper, Type="String")
    stack.forget_registrations()
    stack.deliver([mark.lock()])
    yield mark
    ssm.delete_parameters(Names=[f"{path}/Muddled", f"{path}/team/Deeper"])


def test_a_client_subscribes_and_unsubscribes_while_the_stack_runs(stack: Session):
    """A client.yaml deployed onto the running stack gets the next events; deleted, it gets none."""
    mark = Mark("NE WCO")
    queue_url = deployment.subscribe(stack.engine, "Newcomer")
    stack.forget_registrations()

    def gets_events() -> bool:
        stack.deliver([mark.lock()])
        return depth(stack.engine, queue_url) > 0

    def is_served() -> bool:
        stack.deliver([mark.lock()])
        return "Newcomer" in stack.executions.all()[-1].clients

    until(gets_events, "the newcomer to be served")
    deployment.delete(stack.engine, "client-newcomer")
    stack.forget_registrations()
    until(lambda: not is_served(), "the newcomer to be forgotten")


def test_a_registration_that_makes_no_sense_costs_only_its_client(stack: Session, mark: Mark):
    """A malformed registration, also one that lies too deep, is logged as an error and skipped; others are served."""
    logs = "".join(inspection.logs(stack.engine))
    assert "client Muddled gets nothing: its registration is not JSON" in logs
    assert "client team/Deeper gets nothing: its registration lies a level too deep" in logs
    stack.deliver([mark.lock()])
    assert stack.executions.all()[-1].clients[-2:] == ["Police", "original"]
    assert len(drain(stack.engine, stack.queues["Insurer"])) == 1


@pytest.fixture
def unwritable(stack: Session):
    """A client whose queue lets nobody write, for the length of a test."""
    sqs, url = stack.engine.client("sqs"), stack.queues["Police"]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": DENY_ALL})
    yield "Police"
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": before})


def test_a_client_that_refuses_access_has_its_events_parked_and_delays_nobody(stack: Session, unwritable: str):
    """Events for a client without access are parked in order, followers behind them; the others get everything."""
    items: list[Item] = []
    marks = [Mark(f"PK {number}") for number in range(12)]
    for _ in range(3):
        batch = [mark.lock() for mark in marks]
        stack.deliver(batch)
        items += batch
    delivered = {client: drain(stack.engine, url) for client, url in stack.queues.items()}
    parked = [
        event["eventId"] for event in inspection.held(stack.engine, stack.outputs["ParkedEventsTableName"])[unwritable]
    ]
    judged = verdicts(Evidence(items, delivered, {unwritable: parked}, quarantined=[], failing=[unwritable]))
    assert [verdict for verdict in judged if verdict.found] == []
    assert len(parked) == len(items)
    assert inspection.reasons(stack.engine, stack.outputs["ParkedEventsTableName"], unwritable) == ["Sqs.AccessDenied"]
