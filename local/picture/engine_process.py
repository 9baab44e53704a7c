"""The local engine as the picture needs it: its histories also tell of the states inside a Map, as those of AWS do."""

from collections.abc import Callable
from typing import Any

import ministack.app
from ministack.services import stepfunctions

from local.engine_process import mend

_KINDS = ("Pass", "Task", "Choice", "Wait", "Map")


def tell_of_maps() -> None:
    """Have each iteration of a Map tell that it began, and which states it enters: MiniStack tells of tasks alone."""

    def run(states: Any, start_at: str, given: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
        if "Map" in context:
            # The context is a copy of the Map's own, whose state is still the Map.
            began = {"name": context["State"]["Name"], "index": context["Map"]["Item"]["Index"]}
            stepfunctions._add_event(execution, "MapIterationStarted", {"mapIterationStartedEventDetails": began})
        return run_sub_machine(states, start_at, given, execution, context)

    run_sub_machine = stepfunctions._run_sub_machine
    stepfunctions._run_sub_machine = run
    for kind in _KINDS:
        name = f"_execute_{kind.lower()}"
        setattr(stepfunctions, name, _telling(kind, getattr(stepfunctions, name)))


def _telling(kind: str, execute: Callable[..., Any]) -> Callable[..., Any]:
    def told(state: Any, given: Any, *rest: Any) -> Any:
        context = rest[-1]
        if "Map" not in context:  # the engine itself tells of what is outside
            return execute(state, given, *rest)
        execution, name = stepfunctions._executions[context["Execution"]["Id"]], context["State"]["Name"]
        entered, left = {"stateEnteredEventDetails": {"name": name}}, {"stateExitedEventDetails": {"name": name}}
        stepfunctions._add_event(execution, f"{kind}StateEntered", entered)
        answer = execute(state, given, *rest)
        stepfunctions._add_event(execution, f"{kind}StateExited", left)
        return answer

    return told


if __name__ == "__main__":
    mend()
    tell_of_maps()
    ministack.app.main()
