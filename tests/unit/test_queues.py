"""Unit tier, `adapters.queues`: proves that a wave goes out as it is, and that what SQS did not take is told of.

The endpoint is a local one that gives the answers SQS is documented to give; what SQS really does with
a wave is proven on no engine.
"""

from collections.abc import Iterator

import pytest
from botocore.config import Config

from mark_event_queue.adapters import queues
from mark_event_queue.adapters.queues import ClientQueues
from tests.builders import client, entries
from tests.fakes import AwsFake, aws_fake

URL = client()["queueUrl"]
WAVE = [entry | {"Id": str(position)} for position, entry in enumerate(entries(["A", "B", "C"]))]
ACCEPTED = [{"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0" * 32} for entry in WAVE]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsFake]:
    """An SQS that gives the answers a test appends."""
    with aws_fake() as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", fake.url)
        yield fake


@pytest.mark.parametrize("nothing", [{}, {"Failed": []}])
def test_a_wave_that_was_taken_refuses_nothing(aws, nothing):
    """It goes to the client's queue in one call, entry for entry; Failed may be absent or empty."""
    aws.answers.append((200, {"Successful": ACCEPTED} | nothing))

    assert ClientQueues().send(URL, WAVE) == {}
    assert aws.requests == [{"QueueUrl": URL, "Entries": WAVE}]


def test_refused_entries_are_named_with_their_errors(aws):
    """An answer of 200 with entries in Failed is no success for these; the message, which may quote them, stays out."""
    failed = [
        {"Id": "0", "Code": "InternalError", "SenderFault": False, "Message": "Jane Secret"},
        {"Id": "2", "Code": "InvalidMessageContents", "SenderFault": True},
    ]
    aws.answers.append((200, {"Successful": ACCEPTED[1:2], "Failed": failed}))

    assert ClientQueues().send(URL, WAVE) == {"0": "InternalError", "2": "InvalidMessageContents"}


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "QueueDoesNotExist"), (403, "AccessDenied"), (400, "KmsDisabled"), (400, "TooManyEntries")],
)
def test_a_call_that_fails_refuses_its_whole_wave(aws, status, name):
    """Every entry by the call's error, and nothing is raised: the other waves go on."""
    aws.answers.append((status, {"__type": f"com.amazonaws.sqs#{name}", "message": "Jane Secret"}))

    assert ClientQueues().send(URL, WAVE) == dict.fromkeys("012", name)
    assert len(aws.requests) == 1


def test_what_may_pass_is_tried_again(aws):
    """A throttled call is repeated as it was, so that the queue drops what it has."""
    aws.answers += [(400, {"__type": "com.amazonaws.sqs#ThrottlingException"}), (200, {"Successful": ACCEPTED})]

    assert ClientQueues().send(URL, WAVE) == {}
    assert aws.requests == [{"QueueUrl": URL, "Entries": WAVE}] * 2


def test_a_queue_that_never_answers_refuses_the_wave(monkeypatch):
    """What may have arrived stays parked all the same, to be sent again."""
    monkeypatch.setattr(queues, "_CONFIG", Config(read_timeout=0.2, retries={"total_max_attempts": 1}))
    with aws_fake(silent=True) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", aws.url)

        assert ClientQueues().send(URL, WAVE) == dict.fromkeys("012", "ReadTimeoutError")
