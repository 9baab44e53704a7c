"""The real templates through the real SAM CLI onto an engine."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from local.engine import Engine

ROOT = Path(__file__).parent.parent
SCHEMAS = ROOT / "schemas" / "v1"
STACK = "mark-event-queue"
THIS_MACHINE = {
    "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
    "Architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
}
_SAM = str(Path(sys.executable).with_name("sam"))


class DeploymentError(RuntimeError):
    """A command of the SAM CLI failed; carries what it printed."""


def build(target: Path, root: Path = ROOT) -> Path:
    """Build the functions below a root for the Python and the processor at hand; return the built template."""
    _sam(
        None,
        "build",
        "--template-file", str(root / "template.yaml"),
        "--build-dir", str(target),
        "--cache-dir", str(target.with_name("cache")),
        "--parameter-overrides", *_overrides(THIS_MACHINE),
        folder=target.parent,  # the SAM CLI keeps dependencies in .aws-sam of the folder it runs in
    )  # fmt: skip
    return target / "template.yaml"


def deploy(engine: Engine, template: Path, stack: str, **parameters: str) -> dict[str, str]:
    """Deploy a template; return the stack's outputs.

    Raises:
        DeploymentError: the SAM CLI said no.
    """
    _sam(
        engine,
        "deploy",
        "--template-file", str(template),
        "--stack-name", stack,
        "--resolve-s3",
        "--capabilities", "CAPABILITY_IAM",
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
        *(["--parameter-overrides", *_overrides(parameters)] if parameters else []),
    )  # fmt: skip
    return outputs(engine, stack)


def outputs(engine: Engine, stack: str) -> dict[str, str]:
    """Return the outputs of a deployed stack by name."""
    (description,) = engine.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def delete(engine: Engine, stack: str) -> None:
    """Delete a stack."""
    _sam(engine, "delete", "--stack-name", stack, "--no-prompts")


def deploy_mark_api(engine: Engine) -> None:
    """Deploy the stand-in for mark-api's stack."""
    deploy(engine, ROOT / "local" / "mark-api.yaml", "mark-api")


def deploy_pipeline(engine: Engine, built: Path) -> dict[str, str]:
    """Deploy the main stack, built for this machine; return its outputs."""
    return deploy(engine, built, STACK, **THIS_MACHINE)


def subscribe(engine: Engine, name: str) -> str:
    """Subscribe a client by its own stack, as another team would; return its queue's URL."""
    return deploy(engine, ROOT / "client.yaml", f"client-{name.lower()}", ClientName=name)["ClientQueueUrl"]


def _overrides(parameters: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in parameters.items()]


def _sam(engine: Engine | None, *arguments: str, folder: Path = ROOT / "local") -> None:
    environment = engine.environment if engine else os.environ | {"SAM_CLI_TELEMETRY": "0"}
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    result = subprocess.run(
        [_SAM, *arguments],
        cwd=folder,  # not where samconfig.toml is, which is for AWS
        env=environment | {"PATH": path, "SAM_CLI_POLL_DELAY": "0.3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise DeploymentError(f"sam {' '.join(arguments)}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}")
