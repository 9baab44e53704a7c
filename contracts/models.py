"""Makes the typed models of the Python package from the schemas of a major version, when the wheel is built."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from contracts.asyncapi import Major
from contracts.generated import ROOT, run

_DOCSTRING = "The events as typed models: made from schemas/v{major} when this package was built, not by hand."

_CLASS_NAMES = {"registrationNumber": "MarkState"}
"""How parts are called here whose own name a property has: a class cannot have the name of one of its fields."""

_INSTANTS = ("instant", "optionalInstant")

_OPTIONS = (
    "--input-file-type=jsonschema",
    "--output-model-type=pydantic_v2.BaseModel",
    "--target-python-version=3.11",
    "--base-class=mark_event_contracts.exact.Exact",
    "--enum-field-as-literal=all",
    "--field-type-collision-strategy=rename-type",
    "--formatters=ruff-format",
    "--collapse-root-models",
    "--skip-root-model",
    "--use-annotated",
    "--use-double-quotes",
    "--use-field-description",
    "--use-schema-description",
    "--use-single-line-docstring",
    "--use-standard-collections",
    "--use-union-operator",
    "--disable-timestamp",
    "--disable-warnings",
    "--ignore-pyproject",
)


def generated(major: Major) -> str:
    """Return the module of the models of a major version.

    Raises:
        GenerationError: the generator has failed.
    """
    docstring = _DOCSTRING.format(major=major.number)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "schemas.json"), Path(folder, "models.py")
        source.write_text(json.dumps({"$defs": prepared(major.schemas)}), "utf-8")
        given = (f"--input={source}", f"--output={target}", f'--custom-file-header="""{docstring}"""')
        run([sys.executable, "-m", "datamodel_code_generator", *given, *_OPTIONS], ROOT)
        code = target.read_text("utf-8")
    events = "\n    | ".join(sorted(major.schemas["envelope"]["properties"]["eventName"]["enum"]))
    return f'{code}\n\nEvent = (\n    {events}\n)\n"""An event of any type."""\n'


def prepared(schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas as one, in the words of the generator, with the types that it would make inexact.

    `format` goes, which decides nothing: a UUID would lose its spelling. `null` goes from lists of values, which the
    type allows beside them.
    """
    parts = schemas["shared"]["$defs"] | {name: schema for name, schema in schemas.items() if name != "shared"}
    return {_CLASS_NAMES.get(name, name): _part(name, schema) for name, schema in parts.items()}


def _part(name: str, schema: dict[str, Any]) -> Any:
    if name in _INSTANTS:
        return {"type": "string", "customTypePath": "mark_event_contracts.instants.Instant"}
    part = _plain(schema)
    if "$ref" in part:
        # The generator makes a subclass of what is said by allOf.
        required = ["eventName", *part.pop("required", [])]
        own = {"type": "object", "properties": part.pop("properties"), "required": required}
        part["allOf"] = [{"$ref": part.pop("$ref")}, own]
    return part


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items() if key not in ("$id", "$schema", "format")}
    if isinstance(plain.get("title"), str):
        del plain["title"]
    if isinstance(plain.get("$ref"), str):
        file, _, place = plain["$ref"].partition("#")
        name = place.rpartition("/")[2] or file.removesuffix(".json")
        plain["$ref"] = f"#/$defs/{_CLASS_NAMES.get(name, name)}"
    if isinstance(plain.get("enum"), list):
        plain["enum"] = [one for one in plain["enum"] if one is not None]
    if "number" in plain.get("type", ()):
        plain["customTypePath"] = "mark_event_contracts.exact.Number"
    return plain
