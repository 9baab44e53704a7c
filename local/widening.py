"""A wider contract: a major version 2 that knows one more Status, put beside version 1 on the deployed stack."""

import io
import json
import shutil
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

from local.guarantees import Deployed
from local.session import Session
from local.stack import SCHEMAS, go_live

LEASED = "MARK_LEASED"
"""The Status that only the wider contract knows."""


def widen(session: Session, folder: Path) -> list[Deployed]:
    """Put the wider contract beside the one that is deployed; return what is deployed then, and since when."""
    folders = _with_second_major(folder)
    functions = session.engine.client("lambda")
    pages = functions.get_paginator("list_functions").paginate()
    judging = [one for page in pages for one in page["Functions"] if one.get("Layers")]
    (name,) = {layer["Arn"].split(":")[-2] for one in judging for layer in one["Layers"]}
    published = functions.publish_layer_version(LayerName=name, Content={"ZipFile": _zipped(folders)})
    called = json.dumps(session.executions.definition())
    since = time.time_ns() // 1_000_000
    for function in (one["FunctionName"] for one in judging):
        functions.update_function_configuration(FunctionName=function, Layers=[published["LayerVersionArn"]])
        if f":function:{function}:" in called:  # by version, so that a batch never meets half of a change
            go_live(session.engine, session.outputs["StateMachineArn"], function)
    first, second = folders
    return [Deployed(first), Deployed(second, since)]


def _with_second_major(folder: Path) -> list[Path]:
    """Return the folders of the contract as it is, and of a major version 2 that knows one more Status."""
    first, second = (folder / major for major in ("v1", "v2"))
    shutil.copytree(SCHEMAS, first)
    shutil.copytree(first, second)
    (second / "VERSION").write_text("2.0.0\n", "utf-8")
    for path in second.glob("*.json"):
        path.write_text(path.read_text("utf-8").replace("/schemas/v1/", "/schemas/v2/"), "utf-8")
    shared = json.loads((second / "shared.json").read_text("utf-8"))
    shared["$defs"]["status"]["enum"].append(LEASED)
    (second / "shared.json").write_text(json.dumps(shared), "utf-8")
    return [first, second]


def _zipped(folders: Iterable[Path]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for folder in folders:
            for path in folder.iterdir():
                archive.write(path, f"{folder.name}/{path.name}")
    return content.getvalue()
