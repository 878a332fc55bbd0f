"""What Anthropic's Messages API refuses, as its documentation and its own errors say it: the first reason, or none.

Stricter than the real one where that is in doubt: a request that passes here passes there.
"""

import re
from typing import Any

FIELDS = {
    "model", "messages", "max_tokens", "system", "stream", "stop_sequences", "temperature", "top_p", "top_k", "tools",
    "tool_choice", "thinking", "metadata", "output_config", "service_tier", "cache_control", "container",
}  # fmt: skip
COUNT_FIELDS = {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
BLOCKS = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
}
ID = re.compile(r"^[a-zA-Z0-9_-]+$")
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")
SIGNATURE = "signed-by-the-fake"


class Refused(Exception):  # noqa: N818
    """The API's words for what is wrong."""


def check(body: dict[str, Any], *, version: str, counts: bool = False) -> str | None:
    try:
        _check(body, version, counts)
    except Refused as refused:
        return str(refused)
    return None


def _check(body: dict[str, Any], version: str, counts: bool) -> None:
    for name in body:
        if name not in (COUNT_FIELDS if counts else FIELDS):
            raise Refused(f"{name}: Extra inputs are not permitted")
        if version >= "2026-10-21" and name in ("temperature", "top_p", "top_k"):
            raise Refused(f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages") if counts else ("model", "messages", "max_tokens"):
        if name not in body:
            raise Refused(f"{name}: Field required")
    if not counts and (type(body["max_tokens"]) is not int or body["max_tokens"] < 1):
        raise Refused("max_tokens: Input should be greater than or equal to 1")
    if not 0 <= body.get("temperature", 0) <= 1:
        raise Refused("temperature: range: 0..1")
    for text in body.get("stop_sequences", ()):
        if not text.strip():
            raise Refused("stop_sequences: each stop sequence must contain non-whitespace")
    _system(body.get("system"))
    _tools(body)
    _thinking(body)
    _messages(body["messages"], has_tools="tools" in body)


def _system(system: Any) -> None:
    if system is None or (isinstance(system, str) and system):
        return
    if not isinstance(system, list) or not all(
        block.get("type") == "text" and block["text"].strip() for block in system
    ):
        raise Refused("system: text content blocks must be non-empty")


def _tools(body: dict[str, Any]) -> None:
    for number, tool in enumerate(body.get("tools", ())):
        if set(tool) - {"name", "description", "input_schema", "strict", "cache_control", "type"}:
            raise Refused(f"tools.{number}: Extra inputs are not permitted")
        if not NAME.match(tool["name"]):
            raise Refused(f"tools.{number}.name: String should match pattern")
        if tool["input_schema"].get("type") != "object":
            raise Refused(f"tools.{number}.input_schema.type: Field required")
    choice = body.get("tool_choice")
    if choice is None:
        return
    if "tools" not in body:
        raise Refused("tool_choice: may only be specified while providing tools")
    if choice["type"] not in ("auto", "any", "tool", "none"):
        raise Refused("tool_choice: Input tag does not match any of the expected tags")
    if choice["type"] == "tool" and choice["name"] not in [tool["name"] for tool in body["tools"]]:
        raise Refused(f"Tool '{choice['name']}' not found in provided tools")


def _thinking(body: dict[str, Any]) -> None:
    thinking = body.get("thinking")
    if thinking is None or thinking["type"] == "disabled":
        return
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
    if thinking["type"] != "enabled":
        return
    if not 1024 <= thinking["budget_tokens"] < body.get("max_tokens", 10**9):
        raise Refused("thinking.budget_tokens: must be at least 1024 and less than max_tokens")
    last = body["messages"][-1]
    results = isinstance(last["content"], list) and any(block["type"] == "tool_result" for block in last["content"])
    if results and body["messages"][-2]["content"][0]["type"] not in ("thinking", "redacted_thinking"):
        raise Refused("Expected `thinking` or `redacted_thinking`, but found `tool_use`")


def _messages(messages: list[dict[str, Any]], *, has_tools: bool) -> None:
    if not messages:
        raise Refused("messages: at least one message is required")
    if messages[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    open_calls: set[str] = set()
    for number, message in enumerate(messages):
        role, place = message["role"], f"messages.{number}"
        if set(message) - {"role", "content"}:
            raise Refused(f"{place}: Extra inputs are not permitted")
        if role not in BLOCKS:
            raise Refused(f'{place}.role: Input should be "user" or "assistant"')
        if number and messages[number - 1]["role"] == role:
            raise Refused("messages: roles must alternate between user and assistant")
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not blocks:
            raise Refused(f"{place}: content must be non-empty")
        for index, block in enumerate(blocks):
            _block(block, role, f"{place}.content.{index}", has_tools)
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if unknown := set(results) - open_calls:
            raise Refused(f"{place}: unexpected `tool_use_id` found in `tool_result` blocks: {min(unknown)}")
        if missing := open_calls - set(results):
            raise Refused(
                f"{place}: `tool_use` ids were found without `tool_result` blocks immediately after: {min(missing)}"
            )
        kinds = [block["type"] == "tool_result" for block in blocks]
        if kinds != sorted(kinds, reverse=True):
            raise Refused(f"{place}: `tool_result` blocks must come first")
        open_calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if open_calls:
        raise Refused("messages: `tool_use` ids were found without `tool_result` blocks immediately after")
    last = messages[-1]
    if last["role"] == "assistant":
        text = last["content"] if isinstance(last["content"], str) else last["content"][-1].get("text", "")
        if text != text.rstrip():
            raise Refused("messages: final assistant content cannot end with trailing whitespace")


def _block(block: dict[str, Any], role: str, place: str, has_tools: bool) -> None:
    kind = block["type"]
    if kind not in BLOCKS[role]:
        raise Refused(f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    if kind == "text" and not block["text"].strip():
        raise Refused(f"{place}: text content blocks must contain non-whitespace text")
    if kind in ("tool_use", "tool_result") and not has_tools:
        raise Refused("Requests which include `tool_use` or `tool_result` blocks must define tools")
    if kind == "tool_use" and (not ID.match(block["id"]) or not isinstance(block["input"], dict)):
        raise Refused(f"{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if kind == "thinking" and block.get("signature") != SIGNATURE:
        raise Refused(f"{place}: Invalid `signature` in `thinking` block")
    if kind in ("image", "document"):
        source = block["source"]
        if source["type"] == "base64" and kind == "image" and source["media_type"] not in MEDIA:
            raise Refused(f"{place}.source.base64.media_type: Input should be one of {MEDIA}")
        if source["type"] not in ("base64", "url", "text"):
            raise Refused(f"{place}.source: Input tag does not match any of the expected tags")
    if kind == "tool_result" and isinstance(block.get("content"), list):
        for index, inner in enumerate(block["content"]):
            _block(inner, "user", f"{place}.content.{index}", has_tools)
