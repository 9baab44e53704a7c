"""Unit tier, `bench`: proves that its reckoning is right, on figures that can be followed by hand.

It cannot prove that AWS charges, limits and logs as the tables and the documentation say.
"""

import json

import pytest

from bench.calls import floor
from bench.capacity import BATCH, Durations, capacity, load_quotas, main, of_calls, shard_rate
from bench.chain import longest_chain
from bench.cost import Batch, Prices, express_gb_hours, load_prices, original, pipes, sns_fifo, this_design
from bench.events import items, records
from bench.logs import execution_bytes
from bench.rig import StateSize
from converter.conversion import input_of
from domain.batches import pack
from domain.contract import load
from tests.builders import NOW, ROOT, SCHEMAS
from validator.validation import validate

ONE_DOLLAR = Prices({name: {"usd": 1, "per": 1} for name in load_prices().by_name})
FULL = Batch(
    events=100, event_bytes=1024, calls_of_sqs=40, reads=1, converter_seconds=0.3, validator_seconds=0.1,
    execution_seconds=0.21, bytes_through_states=2**20, function_log_bytes=1000, execution_log_bytes=2**20,
    execution_log_bytes_with_data=2**30,
)  # fmt: skip


def _event(number: int, previous: int, kind: str = "TaskScheduled") -> dict:
    return {"id": number, "previousEventId": previous, "type": kind}


def test_calls_one_after_another_are_a_chain():
    """Three tasks that follow one another are three calls, whatever lies between them."""
    history = [
        {"id": 1, "type": "ExecutionStarted"},
        _event(2, 1), _event(3, 2, "TaskSucceeded"), _event(4, 3), _event(5, 4, "TaskSucceeded"), _event(6, 5),
    ]  # fmt: skip
    assert longest_chain(history) == 3


def test_calls_side_by_side_are_not():
    """Two branches of a Map are as long as the longer one, and what comes behind the Map has waited for it."""
    history = [
        {"id": 1, "type": "ExecutionStarted"},
        _event(2, 1, "MapStateEntered"),
        _event(3, 2), _event(4, 2), _event(5, 4, "TaskSucceeded"), _event(6, 5), _event(7, 3, "TaskSucceeded"),
        _event(8, 7, "MapStateExited"),
        _event(9, 8),
    ]  # fmt: skip
    assert longest_chain(history) == 3


@pytest.mark.parametrize(("events", "clients", "calls"), [(100, 1, 20), (100, 10, 110), (1, 3, 4), (101, 3, 44)])
def test_the_floor_is_ten_to_a_call(events, clients, calls):
    """Ten events to a call, to the fan-out queue and to each client."""
    assert floor(events, clients) == calls


@pytest.mark.parametrize("size", [512, 1024, 5120, 102_400])
def test_events_are_valid_and_of_the_size_asked_for(size):
    """What is measured is what the contract allows, and as large as the table says."""
    (batch,) = pack(records(3, 2, size), 10**9)
    answer = validate(json.loads(input_of(batch, [], NOW))["batch"]["events"], [], load(SCHEMAS))
    assert answer["counts"] == {"valid": 3, "rejected": 0}
    assert [abs(len(event.body) - size) <= 4 for event in batch.events] == [True] * 3


def test_events_are_new_whenever_they_are_asked_for():
    """No queue drops one for a repeat."""
    ids = [item["eventId"]["S"] for _ in range(2) for item in items(20, 4)]
    assert len(set(ids)) == 40


def test_every_line_of_this_design_is_its_quantity():
    """At a dollar a piece the lines are the quantities of a million events in batches of a hundred."""
    lines = this_design(FULL, ONE_DOLLAR)
    assert lines == pytest.approx(
        {
            "Lambda, requests": 20_000,
            "Lambda, duration": 0.4 * 0.5 * 10_000,
            "Step Functions, starts": 10_000,
            "Step Functions, duration": 0.3 / 3600 * 64 / 1024 * 10_000,
            "SQS": 400_000,
            "DynamoDB": 10_000,
            "traces, 1 in 20": 500,
            "logs of functions": 1000 * 10_000 / 2**30,
            "logs of executions": 10_000 / 2**10,
        }
    )


def test_an_execution_is_billed_in_steps_of_time_and_memory():
    """0.21 s are three steps of 100 ms; 50 MB and what is in the execution are chunks of 64 MB."""
    assert express_gb_hours(FULL) == pytest.approx(0.3 / 3600 * 64 / 1024)
    assert express_gb_hours(FULL._replace(execution_seconds=0.3)) == pytest.approx(0.3 / 3600 * 64 / 1024)
    assert express_gb_hours(FULL._replace(bytes_through_states=15 * 2**20)) == pytest.approx(0.3 / 3600 * 128 / 1024)


def test_a_call_of_more_than_64_kilobytes_is_billed_as_several():
    """Ten events of 20 KB are four pieces of 64 KB."""
    assert this_design(FULL._replace(event_bytes=20 * 1024), ONE_DOLLAR)["SQS"] == 40 * 4 * 10_000


def test_the_others_are_reckoned_by_the_same_prices():
    """The original pattern by the event, SNS by publish and delivery, a pipe per queue by requests and sends."""
    assert original(0.5, 6, 0, ONE_DOLLAR) == pytest.approx(
        {"Lambda, requests": 2_000_000, "Lambda, duration": 250_000, "SQS": 6_000_000, "logs of functions": 0}
    )
    gigabytes = 1024 * 1_000_000 / 2**30
    assert sns_fifo(FULL, ONE_DOLLAR)["SNS"] == pytest.approx(100_000 + gigabytes + 4_000_000 + 4 * gigabytes)
    assert pipes(FULL, ONE_DOLLAR, 100) == pytest.approx({"Pipes": 4_000_000, "SQS": 400_000})


def test_every_price_and_quota_says_where_and_when_it_was_found():
    """A figure without a source is an opinion."""
    for file, kind in (("prices.json", "prices"), ("quotas.json", "quotas")):
        held = json.loads((ROOT / "bench" / file).read_text("utf-8"))
        assert held["collected"]
        assert all(one["source"].startswith("https://") for one in held[kind].values())
    assert all(one["region"] and one["date"] for one in load_prices().by_name.values())


def test_an_execution_logs_its_states_and_if_asked_their_data():
    """Without data it is so many events of one length; with data, a task's twice and an iteration's not at all."""
    states = [StateSize("Pass", 10, 20), StateSize("Task", 100, 200), StateSize("Iteration", 0, 0)]
    without = execution_bytes(states, with_data=False)
    assert without == execution_bytes([], with_data=False) / 2 * (2 + 2 + 5 + 2)
    assert execution_bytes(states, with_data=True) - without == 30 + 2 * 300


def test_a_shard_carries_what_a_batch_holds_by_its_time_at_most_what_a_partition_takes():
    """100 events in 0.2 s are 500 a second; in 0.05 s more than the 1,000 that a partition can take in."""
    quotas = load_quotas()
    assert shard_rate(Durations(0.1, 0.001, 0, 0), 1024, quotas) == pytest.approx(500)
    assert shard_rate(Durations(0.05, 0, 0, 0), 1024, quotas) == 1000
    assert shard_rate(Durations(0.05, 0, 0, 0), 4096, quotas) == 250


def test_a_quiet_stream_has_small_batches_and_a_busy_one_full_ones():
    """Batches hold what comes between two polls, or while the one before runs, never more than a hundred."""
    quotas, durations = load_quotas(), of_calls(0.02)
    assert capacity(1, durations, 1024, "london", quotas).events_per_batch == 1
    assert capacity(20, durations, 1024, "london", quotas).events_per_batch == 5
    assert capacity(900, durations, 1024, "london", quotas).events_per_batch == pytest.approx(BATCH)


def test_the_next_limit_is_the_one_used_most():
    """At 100,000 events a second London's sends are beyond their quota, Virginia's are not; the table's writes both."""
    quotas = load_quotas()
    london, virginia = (capacity(100_000, of_calls(0.02), 1024, region, quotas) for region in ("london", "virginia"))
    beyond = [{limit.name for limit in one.limits if limit.share > 1} for one in (london, virginia)]
    assert beyond == [{"table", "SQS queue"}, {"table"}]
    assert london.next_limit.name == "table"
    assert capacity(800, of_calls(0.02), 1024, "london", quotas).next_limit.name == "shard"
    assert london.shards == 110


def test_the_tables_of_the_documentation_are_what_the_command_prints(capsys):
    """docs/capacity.md names a command and shows what it prints."""
    text = (ROOT / "docs" / "capacity.md").read_text("utf-8")
    command = next(line for line in text.splitlines() if "-m bench.capacity --engine" in line)
    main(command.partition("bench.capacity ")[2].split())
    printed = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    shown = [line.strip() for line in text.splitlines()]
    assert [line for line in printed if line not in shown] == []
