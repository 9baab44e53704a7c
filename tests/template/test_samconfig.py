"""Template tier, samconfig.toml: proves that build and deploy get the same parameters, and that the template has them.

It reads the file as the SAM CLI does; that the CLI hands the values on is the CLI's own business.
"""

from samcli.lib.config.samconfig import SamConfig
from samtranslator.yaml_helper import yaml_parse

from tests.builders import ROOT


def _overrides(command: str) -> dict[str, str]:
    found = SamConfig(ROOT).get_all([command], "parameters")["parameter_overrides"]
    return dict(one.split("=", 1) for one in found)


def test_build_and_deploy_take_the_same_parameters():
    """One edit serves both: what was built for a processor is deployed for it."""
    assert _overrides("build") == _overrides("deploy")


def test_the_parameters_are_those_of_the_template_at_their_defaults():
    """Nobody who builds with the file as it is gets something else than the template says."""
    parameters = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))["Parameters"]

    found = _overrides("build")
    assert found == {name: parameters[name]["Default"] for name in found}
    assert found.keys() >= {"PythonRuntime", "Architecture"}
