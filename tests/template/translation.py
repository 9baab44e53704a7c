"""The templates as CloudFormation gets them: through the SAM translator, offline."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
REGION = "eu-west-2"

Template = dict[str, Any]
Resource = dict[str, Any]


class _NoManagedPolicies:
    """Answers for IAM that there are no managed policies: whoever uses one by name fails."""

    def load(self) -> dict[str, str]:
        return {}


def source(name: str) -> Template:
    """Return a template as it is written, intrinsic functions in their long form."""
    template: Template = yaml_parse((ROOT / name).read_text("utf-8"))
    return template


@cache
def translated(name: str) -> Template:
    """Return a template after the SAM transform; code and definitions stand in S3, as after sam package."""
    template = source(name)
    template.get("Globals", {}).get("Function", {})["CodeUri"] = "s3://bucket/code"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = "s3://bucket/definition"
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://bucket/layer"
    with mock.patch.dict(os.environ, AWS_DEFAULT_REGION=REGION):
        result: Template = transform(template, {}, _NoManagedPolicies())
    return result


def of_type(template: Template, kind: str) -> dict[str, Resource]:
    """Return the properties of the resources of one type by logical id."""
    return {
        name: resource["Properties"] for name, resource in template["Resources"].items() if resource["Type"] == kind
    }


class Statement(NamedTuple):
    """A statement of a policy, and the resource that the policy belongs to."""

    owner: str
    body: dict[str, Any]

    @property
    def actions(self) -> list[str]:
        """Its actions, also where there is only one."""
        return _as_list(self.body["Action"])

    @property
    def resources(self) -> list[Any]:
        """What it is about, also where that is only one thing."""
        return _as_list(self.body.get("Resource", []))


def statements(template: Template) -> Iterator[Statement]:
    """Yield the statements of every policy of the template: of roles, trust, queues and buckets."""
    for name, resource in template["Resources"].items():
        for document in _documents(resource["Properties"]):
            for statement in document["Statement"]:
                yield Statement(name, _where_wanted(statement))


def granted(template: Template, role: str) -> list[Statement]:
    """Return what a role may do."""
    return [
        Statement(role, _where_wanted(statement))
        for policy in template["Resources"][role]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def arn(name: str) -> dict[str, Any]:
    """Return the reference to a resource's ARN."""
    return {"Fn::GetAtt": [name, "Arn"]}


def function_of(template: Template, reference: dict[str, Any]) -> str:
    """Return the logical id of the function that a reference is to: to its ARN, or to a version of it."""
    if "Fn::GetAtt" in reference:
        return str(reference["Fn::GetAtt"][0])
    return str(of_type(template, "AWS::Lambda::Version")[reference["Ref"]]["FunctionName"]["Ref"])


def under(template: Template, **conditions: bool) -> Template:
    """Return a template as it is where these conditions are true or false; others stay as they are."""
    result: Template = _decided(template, conditions)
    return result


_NOTHING = {"Ref": "AWS::NoValue"}


def _decided(node: Any, conditions: dict[str, bool]) -> Any:
    if isinstance(node, list):
        decided = [_decided(value, conditions) for value in node]
        return [value for value in decided if value != _NOTHING]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node and node["Fn::If"][0] in conditions:
        condition, where_true, where_false = node["Fn::If"]
        return _decided(where_true if conditions[condition] else where_false, conditions)
    decided_members = {name: _decided(value, conditions) for name, value in node.items()}
    return {name: value for name, value in decided_members.items() if value != _NOTHING}


def _where_wanted(statement: dict[str, Any]) -> dict[str, Any]:
    """Return a statement, also one that is there only under a condition."""
    wanted: dict[str, Any] = statement["Fn::If"][1] if "Fn::If" in statement else statement
    return wanted


def _documents(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "Statement" in node:
            yield node
        for value in node.values():
            yield from _documents(value)
    elif isinstance(node, list):
        for value in node:
            yield from _documents(value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
