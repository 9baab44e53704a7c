"""Unit tier, `bench`: proves that its reckoning is right, on figures that can be followed by hand.

It cannot prove that AWS charges, limits and logs as the tables and the documentation say.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import cold_start, history, report
from bench.calls import floor
from bench.capacity import (
    BATCH_SIZE,
    EXECUTION,
    TRACKS,
    WINDOW_SECONDS,
    Durations,
    capacity,
    load_quotas,
    main,
    of_calls,
    of_engine,
    shard_rate,
    taken_in,
)
from bench.chain import longest_chain
from bench.cost import (
    TRACED,
    Batch,
    batch_of,
    events_together,
    express_gb_hours,
    of_size,
    original,
    pipes,
    sns_fifo,
    this_design,
)
from bench.events import items, records
from bench.logs import MACHINE, execution_bytes, execution_events
from bench.prices import Prices, load_prices
from bench.report import targets
from bench.rig import Calls, StateSize
from bench.virtual.invocation import Single
from bench.virtual.rates import AsOnAws, Carried, Delay
from bench.virtual.shard import Source
from local.stack import STACK
from mark_event_queue.domain.batches import LIVE, input_of
from mark_event_queue.domain.contract import load
from mark_event_queue.validator.validation import validate
from tests.builders import NOW, ROOT, SCHEMAS, pack
from tests.template.translation import of_type, translated

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


def test_a_map_in_a_map_ends_with_its_own():
    """The outer Map has waited for what its other branch did, too."""
    history = [
        {"id": 1, "type": "ExecutionStarted"},
        _event(2, 1, "MapStateEntered"),
        _event(3, 2), _event(4, 3), _event(5, 4),
        _event(6, 2, "MapStateEntered"), _event(7, 6), _event(8, 7, "MapStateExited"),
        _event(9, 8, "MapStateExited"),
    ]  # fmt: skip
    assert longest_chain(history) == 3


def test_maps_side_by_side_in_a_map_end_each_with_its_own():
    """Two branches that each have a Map, in whatever order they come: one does not wait for the other's."""
    history = [
        {"id": 1, "type": "ExecutionStarted"},
        _event(2, 1, "MapStateEntered"),
        _event(3, 2, "MapStateEntered"), _event(4, 2, "MapStateEntered"),
        _event(5, 3), _event(6, 4), _event(7, 6), _event(8, 7),
        _event(9, 3, "MapStateExited"), _event(10, 9),
        _event(11, 4, "MapStateExited"),
        _event(12, 2, "MapStateExited"),
    ]  # fmt: skip
    assert longest_chain(history) == 3
    assert longest_chain([*history, _event(13, 12)]) == 4


def test_a_history_that_does_not_say_what_followed_what_has_no_chain():
    """A lost link must not pass for calls side by side."""
    with pytest.raises(KeyError, match="previousEventId"):
        longest_chain([{"id": 1, "type": "ExecutionStarted"}, {"id": 2, "type": "TaskScheduled"}])


@pytest.mark.parametrize(("events", "clients", "calls"), [(100, 1, 20), (100, 10, 110), (1, 3, 4), (101, 3, 44)])
def test_the_floor_is_ten_to_a_call(events, clients, calls):
    """Ten events to a call, to the fan-out queue and to each client."""
    assert floor(events, clients) == calls


@pytest.mark.parametrize("size", [512, 1024, 5120, 102_400])
def test_events_are_valid_and_of_the_size_asked_for(size):
    """What is measured is what the contract allows, and as large as the table says."""
    (batch,) = pack(records(3, 2, size), 10**9)
    given = json.loads(input_of(batch, [], NOW, LIVE))["batch"]
    answer = validate(given, [], load(SCHEMAS.parent), hold_marks=True)
    assert answer["counts"] == {"valid": 3, "rejected": 0, "behind": 0}
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
            "traces": 0.05 * 10_000,
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
    assert "SQS" not in sns_fifo(FULL, ONE_DOLLAR, sends_billed=False)
    assert sns_fifo(FULL, ONE_DOLLAR, sends_billed=True)["SQS"] == 4_000_000
    assert sns_fifo(FULL, ONE_DOLLAR, sends_billed=False)["SNS"] == pytest.approx(
        100_000 + gigabytes + 4_000_000 + 4 * gigabytes
    )
    assert pipes(FULL, ONE_DOLLAR, 100) == pytest.approx({"Pipes": 4_000_000, "SQS": 400_000})


def test_every_price_and_quota_says_where_and_when_it_was_found():
    """A figure without a source is an opinion."""
    for file, kind in (("prices.json", "prices"), ("quotas.json", "quotas")):
        held = json.loads((ROOT / "bench" / file).read_text("utf-8"))
        assert held["collected"]
        assert all(one["source"].startswith("https://") for one in held[kind].values())
    assert all(one["region"] and one["date"] for one in load_prices().by_name.values())


_STATES = [
    StateSize("Pass", "Next", 10, 20, 5),
    StateSize("Task", "Send Wave", 100, 200, 0),
    StateSize("Iteration", "Send Round", 0, 0, 0),
]


def test_an_execution_logs_its_states_and_if_asked_their_data():
    """So many events for each kind of state; with data, a task's twice, an iteration's not at all."""
    assert execution_events([]) == 2
    assert execution_events(_STATES) == 2 + 2 + 5 + 2
    without = execution_bytes(_STATES, with_data=False)
    assert execution_bytes(_STATES, with_data=True) - without == 30 + 5 + 2 * 300
    longer = [state._replace(name=f"{state.name}!") for state in _STATES]
    # An event that is only about the call does not name the state: three of a task's five.
    assert execution_bytes(longer, with_data=False) - without == 2 + 2 + 2


def test_the_log_that_is_reckoned_names_the_machine_as_the_template_does():
    """Every event of the log carries the name: a longer one is a dearer log."""
    machine = of_type(translated("template.yaml"), "AWS::StepFunctions::StateMachine")["DeliverEventsStateMachine"]
    assert (machine["StateMachineName"], MACHINE) == ({"Ref": "AWS::StackName"}, STACK)


def test_a_window_gathers_what_comes_in_it():
    """The first event opens it; where there is none, Lambda polls four times a second."""
    assert events_together(10, 5) == 51
    assert events_together(8, 0) == 3


def test_a_batch_between_two_is_drawn_out_between_them():
    """At its ends it is what was measured; in between calls and logs grow by waves, the rest by events."""
    one = FULL._replace(events=1, calls_of_sqs=4, converter_seconds=0.0, execution_log_bytes=0)
    assert of_size(1, one, FULL) == one._replace(bytes_through_states=one.bytes_through_states)
    assert of_size(250, one, FULL) == FULL
    half = of_size(50.5, one, FULL)
    assert half.calls_of_sqs == 6 * 4
    assert half.converter_seconds == pytest.approx(FULL.converter_seconds / 2)
    assert half.execution_log_bytes == pytest.approx(FULL.execution_log_bytes * 5 / 9)


def test_the_share_of_batches_that_are_traced_is_the_template_s():
    """The cost reckons with the default of TraceRate."""
    parameter = (ROOT / "template.yaml").read_text("utf-8").partition("  TraceRate:")[2]
    assert f"Default: {TRACED}" in parameter.split("Description")[0]


def test_a_shard_carries_what_its_tracks_bring_in_one_turn_or_in_several():
    """A thousand events are eight executions: one turn of eight tracks; of each event there is work as well."""
    assert shard_rate(Durations(0.1, 0.0001, 0, 0)) == pytest.approx(1_000 / 0.2)
    assert Durations(0.1, 0, 0, 0).invocation(TRACKS * EXECUTION + 1) == pytest.approx(0.2)


def test_a_partition_takes_in_a_kilobyte_to_a_write_unit():
    """Events of more than a kilobyte take several."""
    quotas = load_quotas()
    assert (taken_in(1024, quotas), taken_in(4096, quotas)) == (1000, 250)


def test_a_quiet_stream_has_small_invocations_and_a_busy_one_full_ones():
    """They hold what comes in the window, or while the one before runs, never more than BatchSize."""
    quotas, durations = load_quotas(), of_calls(0.02)
    assert capacity(0.5, durations, 1024, "london", quotas).events == 1
    assert capacity(20, durations, 1024, "london", quotas).events == 20
    assert capacity(1000, durations, 1024, "london", quotas).events == BATCH_SIZE


def test_the_next_limit_is_the_one_used_most():
    """At 100,000 events a second London's sends are beyond their quota and Virginia's are not; the table is in both."""
    quotas = load_quotas()
    london, virginia = (capacity(100_000, of_calls(0.02), 1024, region, quotas) for region in ("london", "virginia"))
    beyond = [{limit.name for limit in one.limits if limit.share > 1} for one in (london, virginia)]
    assert beyond == [{"shards", "table", "SQS queue"}, {"shards", "table"}]
    assert london.next_limit.name == "shards"
    assert london.shards == 100


def test_the_figures_of_the_template_are_the_template_s():
    """The capacity reckons with its defaults."""
    for name, default in (
        ("BatchSize", BATCH_SIZE), ("Tracks", TRACKS), ("MaximumBatchingWindowInSeconds", WINDOW_SECONDS)
    ):  # fmt: skip
        parameter = (ROOT / "template.yaml").read_text("utf-8").partition(f"  {name}:")[2]
        assert f"Default: {default}\n" in parameter


def test_the_tables_of_the_documentation_are_what_the_command_prints(capsys):
    """docs/capacity.md names a command and shows what it prints."""
    text = (ROOT / "docs" / "capacity.md").read_text("utf-8")
    command = next(line for line in text.splitlines() if "-m bench.capacity --engine" in line)
    main(command.partition("bench.capacity ")[2].split())
    printed = capsys.readouterr().out.strip()
    assert printed in [block.strip() for block in text.split("```")]


def _results() -> dict:
    """What the models take from a run of the bench, in figures that nothing else could bring about."""

    def grown(events: int, converter: float) -> dict:
        return {
            "varied": "batch", "events": events, "clients": 3, "event_bytes": 1024, "seconds": converter - 0.01,
            "converter_seconds": converter, "validator_seconds": 0.02, "bytes_through_states": 5,
        }  # fmt: skip

    def counted(events: int, marks: int, seconds: float) -> dict:
        return {
            "events": events, "marks": marks, "clients": 3, "queue_calls": events, "by_call": {"dynamodb:Query": 1},
            "ratio": 1.05, "chain": 4, "seconds": seconds,
        }  # fmt: skip

    return {
        "growth": [grown(1, 0.05), grown(100, 0.545)],
        "calls": [counted(1, 1, 0.05), counted(100, 100, 0.5), counted(100, 1, 2.0), counted(1000, 1000, 5.0)],
        "logs": {"100": {"functions": 7, "execution": 8, "execution_with_data": 9}},
        "work": {"ratio_to_floor": 2.1, "obvious_to_this": 15},
        "cold_start": {"functions": [{"function": "ConverterFunction", "ratio": 1.2}]},
        "end_to_end": {
            name: {"events_per_second": rate}
            for name, rate in (("design", 100), ("original_silent", 4), ("original_logging", 5))
        },
        "as_on_aws": {
            "window_seconds": 1,
            "ways": [
                {"events_per_second": 2000, "delays": [{"rate": 100, "p99": 9}, {"rate": 500, "p99": 2}]},
                {"events_per_second": 500, "delays": []},
                {"events_per_second": 41, "delays": []},
            ],
            "singles": [{"seconds": 2.5}, {"seconds": 10}],
        },
    }


def test_durations_are_those_of_the_run():
    """What a batch takes by itself and for each event, from one and a hundred events; a mark's own from its batch."""
    assert of_engine(_results()) == pytest.approx(Durations(0.045, 0.005, 0.02, 0.02))


def test_a_batch_is_put_together_from_what_was_counted_and_what_was_measured():
    """Each figure comes from where it belongs."""
    assert batch_of(_results(), 100) == Batch(100, 1024, 100, 1, 0.545, 0.02, 0.535, 5, 7, 8, 9)


def test_targets_are_met_at_their_limit_and_missed_behind_it():
    """At most and at least include the figure itself."""
    judged = {row["target"]: row["met"] for row in targets(_results())}
    assert judged == {
        "calls / floor, 100 marks, 3 clients": True,
        "calls / floor, 1000 marks, 3 clients": True,
        "work / floor": False,
        "work of the obvious way / work": True,
        "cold start / floor, ConverterFunction": True,
        "end to end / original, silent": True,
        "end to end / original, logging": False,
        "chain of 100 marks - chain of 1 event, 3 clients": True,
        "as on AWS: events / s of a shard": True,
        "as on AWS: shard / original": False,
        "as on AWS: one invocation, with 1 track / as deployed": True,
        "as on AWS: p99 delay at 500 / s, s": True,
    }


def test_calls_are_those_that_somebody_makes():
    """What a poller invokes is an invocation and no call; what a state machine invokes is one."""
    calls = Calls(
        Counter({"lambda:Invocation": 2, "lambda:Invoke": 1, "sqs:SendMessageBatch": 20}), {"aConverterb": [1, 2]}
    )
    assert (calls.total, calls.queue_calls, calls.invocations, calls.seconds_of("Converter")) == (21, 20, 2, 3)


def test_a_history_sends_ten_events_to_a_call_and_asks_little_beside():
    """Marks of ten events each: a call per ten events, and four for every hundred marks."""
    calls = history.count(events_per_mark=10, marks=200)

    assert calls["SendMessageBatch"] == 200
    assert {name: calls[name] for name in ("BatchGetItem", "GetItem", "PutItem", "BatchWriteItem")} == {
        "BatchGetItem": 4,
        "GetItem": 3,
        "PutItem": 4,
        "BatchWriteItem": 0,
    }


def test_every_function_of_the_template_can_be_started_by_the_bench():
    """A function or a setting that is new in the template, and not here, would end the run."""
    functions = of_type(translated("template.yaml"), "AWS::Lambda::Function")
    needed = {name for one in functions.values() for name in one["Environment"]["Variables"]}

    assert functions.keys() == cold_start.FUNCTIONS.keys()
    assert needed <= cold_start.settings(Path("package")).keys()


def test_the_table_says_where_a_way_does_not_get_through(capsys):
    """A delay that grows and a backlog that stays are no figures; a queue that lacks something is told of."""
    ways = [
        Carried("this design, 8 tracks", 2500.4, [Delay(10, 0.5, 1.25, falls_behind=False)], 150.2),
        Carried("original pattern", 9.96, [Delay(10, 3, 30, falls_behind=True)], None),
    ]
    sound, lacking = Single(8, 800, 400, 0.5, 3.1, True, True), Single(1, 800, 400, 0.5, 15.2, False, True)
    result = report.as_on_aws(AsOnAws(0.02, Source(), ways, [sound, lacking]))
    printed = capsys.readouterr().out
    rows = [line.split("   ") for line in printed.splitlines() if "events / s" not in line]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert cells["this design, 8 tracks"] == ["2,500", "0.50 / 1.25", "150 s"]
    assert cells["original pattern"] == ["10", "falls behind", "never"]
    assert "3.1 s with 8 tracks, 15.2 s with 1 track" in printed
    assert "in order: NO" in printed
    assert json.loads(json.dumps(result))["ways"][0]["delays"][0]["p99"] == 1.25


@pytest.mark.parametrize(("text", "seconds"), [("20ms", 0.02), ("0.02", 0.02), ("5ms", 0.005), ("100ms", 0.1)])
def test_the_length_of_a_call_is_milliseconds_or_seconds(text, seconds):
    """As one would write it."""
    assert bench.call_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "20", "4ms", "101ms", "0", "-20ms", "nan", "20 s"])
def test_what_is_no_length_of_a_call_is_said_to_be_none(text, capsys):
    """The message names what is wrong; nothing is measured."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}'"):
        bench.call_seconds(text)
    with pytest.raises(SystemExit):
        bench.main([f"--call={text}"])
    assert "--call" in capsys.readouterr().err
