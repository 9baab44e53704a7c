"""Unit tier, architecture: proves that modules depend on one another only in the direction that was decided.

It reads imports as they are written; it cannot see what is imported by name at run time.
"""

import ast
import inspect
from pathlib import Path

import pytest

from mark_event_queue.domain import attributes, errors
from tests.builders import ROOT

PACKAGE = ROOT / "functions" / "mark_event_queue"
MODULES = sorted(PACKAGE.rglob("*.py"))
AWS_SDK = {"boto3", "botocore"}
FRAMEWORK = {"aws_lambda_powertools"}
DRIVERS = {"adapters", "converter", "validator", "gate", "parking", "redrive", "release", "survey"}


def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text("utf-8"))


def _imported(module: Path) -> set[str]:
    """Return the packages that a module imports, wherever in it; those of the project by their short names."""
    nodes = list(ast.walk(_tree(module)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    from_ = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.removeprefix("mark_event_queue.").partition(".")[0] for name in plain | from_}


def _of_package(package: str) -> list[Path]:
    return [module for module in MODULES if module.is_relative_to(PACKAGE / package)]


def test_the_walk_sees_what_there_is_to_see():
    """Every package has modules, and the imports that the rules below speak of do occur where they may."""
    assert all(_of_package(package) for package in DRIVERS | {"domain"})
    assert any(_imported(module) & AWS_SDK for module in MODULES)
    assert any(_imported(module) & FRAMEWORK for module in MODULES)


@pytest.mark.parametrize("module", _of_package("domain"), ids=lambda module: module.stem)
def test_the_domain_knows_neither_aws_nor_its_callers(module):
    """What the application knows about events holds whatever carries them."""
    assert not _imported(module) & (AWS_SDK | FRAMEWORK | DRIVERS)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_the_sdk_is_used_in_adapters_alone(module):
    """Only an adapter speaks to AWS."""
    assert module in _of_package("adapters") or not _imported(module) & AWS_SDK


@pytest.mark.parametrize("module", _of_package("adapters"), ids=lambda module: module.stem)
def test_adapters_know_the_domain_and_no_function(module):
    """An adapter serves whichever function wires it."""
    assert not _imported(module) & (DRIVERS - {"adapters"})


@pytest.mark.parametrize("function", sorted(DRIVERS - {"adapters"}))
def test_what_a_function_does_is_free_of_its_wiring(function):
    """Beside its handler a function's modules need no framework, no adapter, and no other function."""
    for module in _of_package(function):
        others = DRIVERS - {function, "adapters"}
        forbidden = others if module.stem == "handler" else others | AWS_SDK | FRAMEWORK | {"adapters"}
        assert not _imported(module) & forbidden, module


@pytest.mark.parametrize("module", sorted(PACKAGE.glob("*/handler.py")), ids=lambda module: module.parent.name)
def test_handlers_decide_nothing(module):
    """A handler is wiring: no branch in it, but for the type checker, so nothing in it needs a test of its own."""
    branches = (ast.If, ast.IfExp, ast.Match, ast.While, ast.Try)
    found = [node for node in ast.walk(_tree(module)) if isinstance(node, branches)]
    assert not [node for node in found if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]


def test_every_error_is_one_of_the_applications_and_says_so():
    """Error names are what Retry and Catch see: all end in Error, have one root, and say when they are raised."""
    found = [
        member
        for module in (errors, attributes)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseException) and member.__module__.startswith("mark_event_queue.domain.")
    ]

    assert len(found) > 5
    for error in found:
        assert error.__name__.endswith("Error")
        assert issubclass(error, errors.MarkEventQueueError)
        assert error.__doc__


def test_every_exception_class_ends_in_error():
    """Private ones too."""
    classes = [node for module in MODULES for node in ast.walk(_tree(module)) if isinstance(node, ast.ClassDef)]
    bases = {node.name: [base.id for base in node.bases if isinstance(base, ast.Name)] for node in classes}

    exceptions = [name for name, of in bases.items() if any(base.endswith(("Error", "Exception")) for base in of)]

    assert exceptions
    assert all(name.endswith("Error") for name in exceptions)
