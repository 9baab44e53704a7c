"""Proves that a version of the delivering machine keeps to what it was deployed with, and how the next one takes over.

What a deployment does to what is under way is proven on the deployed stack, in tests/e2e/test_deployment.py.
"""

import re

import pytest

from tests.template.translation import Template, function_of, granted, of_type, source, translated

MAIN, MACHINE = "template.yaml", "DeliverEventsStateMachine"
_NO_VALUE = {"Ref": "AWS::NoValue"}


@pytest.fixture
def template() -> Template:
    """The main template after the SAM transform."""
    return translated(MAIN)


_ALIAS = f"{MACHINE}Aliaslive"


def _substitutions(template: Template) -> dict[str, dict[str, str]]:
    machine = of_type(template, "AWS::StepFunctions::StateMachine")[MACHINE]
    substitutions: dict[str, dict[str, str]] = machine["DefinitionSubstitutions"]
    return substitutions


_CALLED = sorted(
    {
        function_of(translated(MAIN), reference)
        for name, reference in _substitutions(translated(MAIN)).items()
        if name.endswith("FunctionArn")
    }
)
every_called_function = pytest.mark.parametrize("function", _CALLED)


@pytest.mark.parametrize("starter", ["ConverterFunction", "ReleaseFunction"])
def test_executions_are_started_by_the_alias_and_by_nothing_else(template: Template, starter: str):
    """A policy names the machine, a condition the alias (Step Functions, authorization for versions and aliases)."""
    settings = of_type(template, "AWS::Lambda::Function")[starter]["Environment"]["Variables"]
    (statement,) = [one for one in granted(template, f"{starter}Role") if one.actions == ["states:StartSyncExecution"]]
    assert settings["STATE_MACHINE_ARN"] == {"Ref": _ALIAS}
    assert statement.resources == [{"Ref": MACHINE}]
    assert statement.body["Condition"] == {"StringEquals": {"states:StateMachineQualifier": "live"}}
    assert of_type(template, "AWS::StepFunctions::StateMachineAlias")[_ALIAS]["Name"] == "live"


@every_called_function
def test_a_version_of_the_machine_calls_versions_of_the_functions(template: Template, function: str):
    """Neither what the function is by now nor what an alias points at by now: those of the same deployment."""
    references = [
        reference
        for reference in of_type(template, "AWS::StepFunctions::StateMachine")[MACHINE][
            "DefinitionSubstitutions"
        ].values()
        if reference.get("Ref", "").startswith(f"{function}Version")
    ]
    assert len(references) == 1


@every_called_function
def test_versions_stay_for_what_still_calls_them(template: Template, function: str):
    """One that a deployment replaces outlives it; the function itself goes with its stack."""
    (version,) = [
        resource
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Lambda::Version" and name.startswith(f"{function}Version")
    ]
    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert "DeletionPolicy" not in template["Resources"][function]
    machine = template["Resources"][f"{MACHINE}Version"]
    assert (machine["DeletionPolicy"], machine["UpdateReplacePolicy"]) == ("Retain", "Retain")


@every_called_function
def test_a_parameter_that_a_function_reads_makes_a_new_version_of_it(function: str):
    """SAM sees that code, layer or the template's text change, and not a parameter's value: the description has that.

    What does not reach the function must not be there: Lambda publishes no version where nothing has changed.
    """
    properties = source(MAIN)["Resources"][function]["Properties"]
    globally = source(MAIN)["Globals"]["Function"]
    parameters = source(MAIN)["Parameters"]
    read = {name for name in parameters if f"'{name}'" in str([properties["Environment"], globally])}
    assert set(re.findall(r"\$\{(\w+)}", properties["VersionDescription"]["Fn::Sub"])) == read
    assert properties["AutoPublishAliasAllProperties"] is True


def test_a_new_contract_is_a_new_version_of_what_judges_by_it():
    """A layer's content is no property of the function: SAM has to be told to look there."""
    assert source(MAIN)["Resources"]["SchemasLayer"]["Properties"]["PublishLambdaVersion"] is True


def test_batches_go_over_as_the_parameter_says_and_back_by_alarms(template: Template):
    """All at once by default, when no alarm may stop a cure; else bit by bit, and back by alarms of this minute."""
    preference = of_type(template, "AWS::StepFunctions::StateMachineAlias")[_ALIAS]["DeploymentPreference"]
    assert template["Parameters"]["DeploymentType"]["Default"] == "ALL_AT_ONCE"
    assert template["Conditions"]["AllAtOnce"] == {"Fn::Equals": [{"Ref": "DeploymentType"}, "ALL_AT_ONCE"]}
    assert preference["Type"] == {"Ref": "DeploymentType"}
    assert preference["StateMachineVersionArn"] == {"Ref": f"{MACHINE}Version"}
    guards = [{"Ref": "NewVersionFailsAlarm"}, {"Ref": "NewVersionRejectsAlarm"}]
    bit_by_bit = {"Percentage": 10, "Interval": 10, "Alarms": guards}
    assert {name: preference[name] for name in bit_by_bit} == {
        name: {"Fn::If": ["AllAtOnce", _NO_VALUE, value]} for name, value in bit_by_bit.items()
    }


@pytest.mark.parametrize("alarm", ["NewVersionFailsAlarm", "NewVersionRejectsAlarm"])
def test_what_turns_a_deployment_back_looks_at_the_last_minute(template: Template, alarm: str):
    """Ten minutes with a tenth of the batches are enough to see it."""
    properties = of_type(template, "AWS::CloudWatch::Alarm")[alarm]
    periods = [part["MetricStat"]["Period"] for part in properties.get("Metrics", []) if "MetricStat" in part]
    assert set(periods or [properties["Period"]]) == {60}
    assert properties["EvaluationPeriods"] == 1
