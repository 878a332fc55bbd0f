"""How much a model of Anthropic thinks: `reasoning_effort` of a chat, in whichever of its ways the model knows.

Older models take a budget of tokens, newer ones decide for themselves and take an effort; its list of models says
which. No I/O here.
"""

from collections.abc import Mapping
from typing import Any

from hal0.daemon.dialects.refusals import unsupported
from hal0.daemon.remotes.offer import Offered

BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 32768}
LEAST_BUDGET = 1024
EFFORTS = {"minimal": "low"}  # what is called otherwise there


def thinking_of(
    chat: Mapping[str, Any], body: dict[str, Any], *, model: Offered | None, is_most_asked: bool
) -> dict[str, Any]:
    """The body with what the chat says of thinking. `is_most_asked`: `max_tokens` is the client's, not a default."""
    if (given := chat.get("thinking")) is not None:  # Anthropic's own field, which clients of its models know
        return {**body, "thinking": given}
    effort = chat.get("reasoning_effort")
    kwargs = chat.get("chat_template_kwargs")
    wanted = kwargs.get("enable_thinking") if isinstance(kwargs, dict) else None
    if effort is None and wanted is None:
        return body
    if effort == "none" or (effort is None and wanted is False):
        can_be_off = model is not None and "disabled" in model.thinking
        return {**body, "thinking": {"type": "disabled"}} if can_be_off else body
    if effort is not None and effort not in BUDGETS:
        raise unsupported("reasoning_effort", f"the effort {effort!r:.40}")
    if model is not None and model.thinking and not {"adaptive", "enabled"} & set(model.thinking):
        return body  # it never thinks
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        return body  # an order, where thinking is a wish; not every model takes both
    if model is not None and "enabled" in model.thinking and "adaptive" not in model.thinking:
        if _is_between_tools(body["messages"]):
            return body
        return _with_budget(body, BUDGETS[effort or "medium"], model=model, is_most_asked=is_most_asked)
    made = {**body, "thinking": {"type": "adaptive", "display": "summarized"}}
    if effort is not None and (level := _effort(effort, model)):
        made["output_config"] = {"effort": level, **body.get("output_config", {})}
    return made


def _effort(effort: str, model: Offered | None) -> str:
    """The nearest that the model knows, never a higher one than asked for."""
    level = EFFORTS.get(effort, effort)
    if model is None or not model.thinking:  # its list was never had: the usual ones
        return "high" if level in ("xhigh", "max") else level
    order = ["low", "medium", "high", "xhigh", "max"]
    known = [each for each in order[: order.index(level) + 1] if each in model.efforts]
    return known[-1] if known else ""


def _with_budget(body: dict[str, Any], budget: int, *, model: Offered, is_most_asked: bool) -> dict[str, Any]:
    """Thinking counts as a part of the answer, so that it must be shorter."""
    most = body["max_tokens"]
    if not is_most_asked:
        most = min(most + budget, model.max_tokens or most + budget)
    if budget >= most:
        budget = most // 2
    if budget < LEAST_BUDGET:
        return body  # no room for it
    thinking = {"type": "enabled", "budget_tokens": budget, "display": "summarized"}
    return {**body, "max_tokens": most, "thinking": thinking}


def _is_between_tools(messages: list[dict[str, Any]]) -> bool:
    """Whether a turn with calls of tools goes on whose thoughts the client did not keep.

    With a budget they must come first then; a model that decides for itself does not insist.
    """
    if len(messages) < 2 or not any(block["type"] == "tool_result" for block in messages[-1]["content"]):
        return False
    return not any(block["type"].endswith("thinking") for block in messages[-2]["content"])
