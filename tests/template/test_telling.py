"""Proves that alarms and dashboard show what is measured, and that what they tell people to do can be done.

Whether CloudWatch evaluates them as meant is not shown: the local engine evaluates no calculation.
"""

import json
import re
from typing import Any

import pytest

from meq.__main__ import commands as meq
from tests.template.translation import ROOT, Template, of_type, source, translated

MAIN, CLIENT = "template.yaml", "client.yaml"
FUNCTIONS = ROOT / "functions"
ALARMS = of_type(source(MAIN), "AWS::CloudWatch::Alarm")
GUARDS = {"NewVersionFailsAlarm", "NewVersionRejectsAlarm"}
_NO_VALUE = {"Ref": "AWS::NoValue"}


@pytest.fixture
def template() -> Template:
    """The main template after the SAM transform."""
    return translated(MAIN)


@pytest.mark.parametrize("alarm", sorted(ALARMS))
def test_alarms_watch_what_is_counted(template: Template, alarm: str):
    """An alarm of the application's own metrics names one that its service's function adds; silence is no alarm.

    Only SQS falls silent about a queue that is not used, however much is in it: there silence is no cure, either. And
    the silence of the survey is what its own alarm is about.
    """
    properties = of_type(template, "AWS::CloudWatch::Alarm")[alarm]
    of_queue = any(metric["Namespace"] == "AWS/SQS" for metric in _metrics(properties))
    silence = "breaching" if alarm == "SurveyFailsAlarm" else "ignore" if of_queue else "notBreaching"
    assert properties["TreatMissingData"] == silence
    for metric in _metrics(properties):
        if metric["Namespace"] == "mark-event-queue":
            assert metric["Dimensions"] == [{"Name": "service", "Value": _counted_by(metric["MetricName"])}]


def _metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an alarm watches, also where it calculates."""
    parts = alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}])
    return [part["MetricStat"]["Metric"] for part in parts if "MetricStat" in part]


def _counted_by(metric: str) -> str:
    """Return the service of the one function that adds a metric."""
    (package,) = {
        path.parent.name
        for path in (FUNCTIONS / "mark_event_queue").glob("*/handler.py")
        if f'"{metric}"' in path.read_text("utf-8")
    }
    (service,) = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for function in of_type(translated(MAIN), "AWS::Lambda::Function").values()
        if function["Handler"].split(".")[1] == package
    }
    return str(service)


def _commands(text: str) -> list[list[str]]:
    """Return the words of each meq command that a text names, up to the end of its phrase."""
    return [
        found.split() for found in re.findall(r"\bmeq ((?:[a-z]+|[A-Z]+\b|--[a-z]+)(?: (?:[A-Z]+\b|--[a-z]+))*)", text)
    ]


@pytest.mark.parametrize(
    ("name", "alarm"),
    [(name, alarm) for name in (MAIN, CLIENT) for alarm in of_type(source(name), "AWS::CloudWatch::Alarm")],
)
def test_an_alarm_says_which_command_helps(name: str, alarm: str):
    """Whoever it wakes finds a command in its text, which exists, with these options."""
    description = of_type(source(name), "AWS::CloudWatch::Alarm")[alarm]["AlarmDescription"]
    assert len(description) <= 1024
    assert _commands(description) or alarm == "NewVersionFailsAlarm"
    assert _unknown(description) == []


def _unknown(text: str) -> list[str]:
    """Return the commands and options of a text that meq does not have."""
    unknown = []
    for command, *words in _commands(text):
        known = meq.commands.get(command)
        if known is None:
            unknown.append(command)
            continue
        options = {option for parameter in known.params for option in parameter.opts}
        unknown += [f"{command} {word}" for word in words if word.startswith("--") and word not in options]
    return unknown


def test_one_alarm_stands_for_all_that_ask_for_somebody(template: Template):
    """It is on while any of them is. Its topic hears of the end, too, and by itself of what stops everybody."""
    (attention,) = of_type(template, "AWS::CloudWatch::CompositeAlarm").values()
    rule = " ".join(attention["AlarmRule"]["Fn::Sub"].split())
    named = [re.fullmatch(r'ALARM\("\$\{(\w+)}"\)', part) for part in rule.split(" OR ")]
    assert {one[1] for one in named if one} == ALARMS.keys() - GUARDS
    assert all(named)
    topic = {"Fn::If": ["HasTopic", [{"Ref": "AlarmTopicArn"}], _NO_VALUE]}
    assert attention["AlarmActions"] == attention["OKActions"] == topic
    assert template["Parameters"]["AlarmTopicArn"]["Default"] == ""
    telling = {name for name, alarm in ALARMS.items() if {"AlarmActions", "OKActions"} <= alarm.keys()}
    assert telling == {"StreamDelayAlarm", "BatchesNotDeliveredAlarm", "UndeliveredRecordsAlarm"}
    assert all(ALARMS[name]["AlarmActions"] == ALARMS[name]["OKActions"] == topic for name in telling)
    assert [name for name, alarm in ALARMS.items() if {"AlarmActions", "OKActions"} & alarm.keys()] == sorted(
        telling, key=list(ALARMS).index
    )


def test_a_survey_that_does_not_run_raises_an_alarm(template: Template):
    """Its last number is missing three times in a row; one that fails on the way does not tell it, either."""
    alarm = ALARMS["SurveyFailsAlarm"]
    handler = (FUNCTIONS / "mark_event_queue" / "survey" / "handler.py").read_text("utf-8")
    told = re.findall(r'add_metric\("(\w+)"', handler)
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == (told[-1], "SampleCount", 1)
    assert (alarm["ComparisonOperator"], alarm["Period"]) == ("LessThanThreshold", 300)
    (schedule,) = of_type(template, "AWS::Events::Rule").keys() & {"SurveyFunctionEveryFiveMinutes"}
    assert of_type(template, "AWS::Events::Rule")[schedule]["ScheduleExpression"] == "rate(5 minutes)"


@pytest.mark.parametrize("alarm", ["StreamDelayAlarm", "BatchesNotDeliveredAlarm"])
def test_alarms_of_the_converter_do_not_need_a_number_in_every_period(template: Template, alarm: str):
    """It tells its numbers at the end of an invocation, and that may take longer than two periods."""
    longest = of_type(template, "AWS::Lambda::Function")["ConverterFunction"]["Timeout"]
    properties = ALARMS[alarm]
    assert properties["DatapointsToAlarm"] * longest <= properties["EvaluationPeriods"] * properties["Period"]


@pytest.mark.parametrize(
    ("alarm", "metric"),
    [("QuarantineAlarm", "QuarantinedWithoutProgress"), ("ParkedEventsAlarm", "ParkedWithoutProgress")],
)
def test_what_is_held_is_an_alarm_when_nobody_has_been_at_it_for_a_while(alarm: str, metric: str):
    """A quarter of an hour, which a redrive that somebody has begun at once may take; not the first event."""
    assert (ALARMS[alarm]["MetricName"], ALARMS[alarm]["Threshold"]) == (metric, 15 * 60)


@pytest.mark.parametrize(("name", "alarm"), [(MAIN, "ClientQueueUnreadAlarm"), (CLIENT, "QueueUnreadAlarm")])
def test_a_queue_that_nobody_reads_is_an_alarm(name: str, alarm: str):
    """Its oldest message has waited for a quarter of an hour, and none was taken out in as long: of this very queue."""
    properties = of_type(translated(name), "AWS::CloudWatch::Alarm")[alarm]
    by_id = {part["Id"]: part for part in properties["Metrics"]}
    assert by_id["unread"]["Expression"] == "IF(taken > 0, 0, age)"
    for part, metric in (("age", "ApproximateAgeOfOldestMessage"), ("taken", "NumberOfMessagesDeleted")):
        watched = by_id[part]["MetricStat"]["Metric"]
        queue = {"Name": "QueueName", "Value": {"Fn::GetAtt": ["ClientQueue", "QueueName"]}}
        assert (watched["MetricName"], watched["Dimensions"]) == (metric, [queue])
    assert (properties["Threshold"], properties["EvaluationPeriods"]) == (15 * 60, 3)


@pytest.mark.parametrize("metric", ["MalformedRegistrations", "ClientsCrowdedOut"])
def test_whoever_registers_in_vain_raises_an_alarm(template: Template, metric: str):
    """One such registration in one reading is enough, and the alarm says how to find out whose."""
    (alarm,) = [alarm for alarm in ALARMS.values() if alarm.get("MetricName") == metric]
    assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == (
        "Maximum",
        "GreaterThanThreshold",
        0,
    )
    assert "meq clients" in alarm["AlarmDescription"]


def _widgets() -> list[dict[str, Any]]:
    """Return the widgets of the dashboard; what CloudFormation puts in stands as its name."""
    body = of_type(translated(MAIN), "AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def _lines(widget: dict[str, Any]) -> list[Any]:
    lines: list[Any] = widget["properties"].get("metrics", [])
    return lines


def test_widgets_stand_side_by_side():
    """On the grid of 24 columns, none over another, and each row of graphs begins with a text that explains it."""
    taken: set[tuple[int, int]] = set()
    for widget in _widgets():
        cells = {
            (column, row)
            for column in range(widget["x"], widget["x"] + widget["width"])
            for row in range(widget["y"], widget["y"] + widget["height"])
        }
        assert max(column for column, _ in cells) < 24
        assert not cells & taken
        taken |= cells
    explained = {widget["y"] for widget in _widgets() if widget["type"] == "text"}
    assert {widget["y"] for widget in _widgets() if widget["type"] == "metric"} <= explained


def test_the_dashboard_says_what_to_do_by_commands_that_exist():
    """Every command that a text names is one of meq's, with options that it has."""
    texts = [widget["properties"]["markdown"] for widget in _widgets() if widget["type"] == "text"]
    commands = {command for text in texts for command, *_ in _commands(text)}
    assert commands >= {
        "status",
        "held",
        "redrive",
        "release",
        "discard",
        "resume",
        "pause",
        "replay",
        "clients",
        "history",
    }
    assert [unknown for text in texts for unknown in _unknown(text)] == []


def test_the_dashboard_shows_every_alarm_that_asks_for_somebody():
    """And the one that stands for all of them."""
    (shown,) = [widget["properties"]["alarms"] for widget in _widgets() if widget["type"] == "alarm"]
    expected = ALARMS.keys() - GUARDS | {"AttentionAlarm"}
    assert sorted(shown) == sorted(f"${{{alarm}.Arn}}" for alarm in expected)


def test_the_dashboard_shows_what_is_counted():
    """Each metric of the application's own is one that the function of its service adds."""
    own = [line for widget in _widgets() for line in _lines(widget) if line[0] == "mark-event-queue"]
    assert {(line[1], line[3]) for line in own} == {(line[1], _counted_by(line[1])) for line in own}
    assert {line[1] for line in own} >= {
        "EventsConverted", "EventsRejected", "EventsQuarantined", "EventsRedriven", "EventsFiltered",
        "BatchesNotDelivered",
    }  # fmt: skip


def test_a_new_client_is_on_the_dashboard_by_itself():
    """What there is for each client is searched, by the dimension that is counted by, and by the names of queues."""
    searched = [line[0]["expression"] for widget in _widgets() for line in _lines(widget) if "expression" in line[0]]
    by_client = {metric: search for search in searched for metric in re.findall(r'MetricName="(\w+)"', search)}
    queues = {metric for metric, search in by_client.items() if "{AWS/SQS,QueueName}" in search}
    clients = {metric for metric, search in by_client.items() if '{"mark-event-queue",client,service}' in search}
    assert queues | clients == by_client.keys()
    assert queues >= {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage", "NumberOfMessagesDeleted"}
    assert all(by_client[metric].count(" MarkFanOut'") == 1 for metric in queues)
    assert clients >= {"ParkedEvents", "OldestParkedAge", "ParkedWithoutProgress", "EventsFiltered", "EventsRedriven"}
    counted = "".join(path.read_text("utf-8") for path in (FUNCTIONS / "mark_event_queue").glob("*/handler.py"))
    assert [metric for metric in clients if f'"{metric}"' not in counted] == []
