"""Unit tier, `adapters.executions`: proves what each answer of a synchronous start means, and that it starts once.

The endpoint is a local one that speaks the protocol; it cannot prove how AWS itself words its answers.
"""

import pytest
from botocore.config import Config

from mark_event_queue.adapters import executions
from mark_event_queue.adapters.executions import READ_TIMEOUT_SECONDS, Executions
from mark_event_queue.domain.errors import BatchNotDeliveredError, StateMachineUnavailableError
from tests.builders import state_machine
from tests.fakes import AwsFake, aws_fake

ARN = "arn:aws:states:eu-west-2:123456789012:stateMachine:deliver-events"


def _answer(status: str, **more: str) -> tuple[int, dict]:
    return 200, {"executionArn": f"{ARN}:x", "startDate": 1, "stopDate": 2, "status": status} | more


def _run(aws: AwsFake, monkeypatch: pytest.MonkeyPatch, payload: str = "{}") -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    return Executions(ARN).run("name", payload)


def test_a_succeeded_execution_is_all_there_is_to_say(monkeypatch):
    """The execution is started with its name and its input, unchanged, and its success returns what it says."""
    with aws_fake(_answer("SUCCEEDED", output='{"counts":{}}')) as aws:
        assert _run(aws, monkeypatch, '{"price":299.50}') == '{"counts":{}}'

    assert aws.requests == [{"stateMachineArn": ARN, "name": "name", "input": '{"price":299.50}'}]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_an_execution_that_did_not_succeed_did_not_deliver(monkeypatch, status):
    """Step Functions answers 200 all the same: the status counts. The cause, which may quote an event, stays out."""
    answer = _answer(status, error="States.Timeout", cause="Jane Secret")
    with aws_fake(answer) as aws, pytest.raises(BatchNotDeliveredError) as caught:
        _run(aws, monkeypatch)

    assert str(caught.value) == f"execution name {status}: States.Timeout"
    assert len(aws.requests) == 1


def test_a_failure_without_a_name_is_told_as_such(monkeypatch):
    """`error` may be absent from an answer."""
    with aws_fake(_answer("TIMED_OUT")) as aws, pytest.raises(BatchNotDeliveredError, match="no error name"):
        _run(aws, monkeypatch)


@pytest.mark.parametrize(
    ("status", "name"), [(400, "StateMachineDoesNotExist"), (400, "ThrottlingException"), (503, "ServiceUnavailable")]
)
def test_a_refused_start_is_not_tried_again(monkeypatch, status, name):
    """Whatever the refusal, it is one request and one error with AWS's name for it, not its message."""
    answer = (status, {"__type": f"com.amazonaws.swf.service.v2.model#{name}", "message": "Jane Secret"})
    with aws_fake(answer) as aws, pytest.raises(StateMachineUnavailableError) as caught:
        _run(aws, monkeypatch)

    assert str(caught.value) == f"execution name: {name}"
    assert caught.value.__cause__ is not None
    assert len(aws.requests) == 1


def test_an_answer_that_never_comes_starts_no_second_execution(monkeypatch):
    """After a read time-out the first execution may well be running: the SDK must not start another."""
    shorter = executions._CONFIG.merge(Config(read_timeout=0.2))
    monkeypatch.setattr(executions, "_CONFIG", shorter)
    with aws_fake(silent=True) as aws, pytest.raises(StateMachineUnavailableError, match="ReadTimeoutError"):
        _run(aws, monkeypatch)

    assert len(aws.requests) == 1


def test_the_client_waits_longer_than_the_state_machine_may_take():
    """An execution that times out is answered as TIMED_OUT before the client gives up waiting."""
    assert state_machine()["TimeoutSeconds"] < READ_TIMEOUT_SECONDS
