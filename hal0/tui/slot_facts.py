"""What there is to say of one slot, in words: for `hal0 slot show` and the dashboard's slot page. Pure."""

import shlex

from hal0.tui import figures, places, swaps
from hal0.wire import CommandView, SlotView


def facts(slot: SlotView, now: float) -> list[tuple[str, str]]:
    """Labels and values; what is not known or does not apply is left out."""
    values: list[tuple[str, str | None]] = [
        ("kind", slot.use),
        ("model", slot.model),
        ("also called", ", ".join(slot.aliases)),
        ("in the background", ", ".join(slot.background)),
        ("engine", f"{slot.provider}: {slot.engine}" if slot.engine else slot.provider),
        ("device", places.device_of(slot)),
        ("context", f"{slot.context} tokens, {slot.parallel} at a time" if slot.context else None),
        ("process", _process(slot)),
        ("memory", _memory(slot)),
        ("requests", f"{slot.in_flight} in flight, {slot.waiting} waiting"),
        ("tokens/s", figures.rate(slot.tokens_per_second) if slot.tokens_per_second is not None else None),
        ("first token", figures.milliseconds(slot.ttft_ms) if slot.ttft_ms is not None else None),
        ("last load", figures.milliseconds(slot.load_ms) if slot.load_ms is not None else None),
        ("unloads", f"in {figures.span(slot.unload_at - now)}" if slot.unload_at else None),
        ("now", slot.remark),
        ("pinned", "it never makes room for others" if slot.pinned else None),
        ("swap", swaps.in_words(slot.swap) if slot.swap else None),
        ("config", f"revision {slot.revision}"),
    ]
    return [(label, value) for label, value in values if value]


def lasting(slot: SlotView, now: float) -> str:
    """For how long it is up, whatever it has served meanwhile, or coming up, or in its state."""
    return f"{'up ' if slot.is_up else ''}for {figures.span(now - slot.lasts_since)}"


def shell_line(command: CommandView) -> str:
    """The command line as a shell takes it, with what is added to the environment."""
    environment = [f"{name}={shlex.quote(value)}" for name, value in command.env.items()]
    return " ".join([*environment, shlex.join(command.argv)])


def origins(command: CommandView) -> list[tuple[str, str]]:
    """The words of the command line, an option together with its value, and where each comes from."""
    rows: list[tuple[str, str]] = []
    for word, origin in zip(command.argv, command.origins, strict=False):
        before, before_origin = rows[-1] if rows else ("", "")
        if origin == before_origin and before.startswith("-") and " " not in before and not word.startswith("-"):
            rows[-1] = (f"{before} {word}", origin)
        else:
            rows.append((word, origin))
    return rows


def _process(slot: SlotView) -> str:
    return f"pid {slot.pid}, port {slot.port}, run {slot.run}" if slot.pid else f"none, {slot.run} runs so far"


def _memory(slot: SlotView) -> str | None:
    if slot.memory_bytes is None:
        return None
    own = "" if slot.private_bytes is None else f", {figures.size(slot.private_bytes)} without mapped files"
    on_gpus = "".join(f"; {figures.size(size)} of {gpu}" for gpu, size in sorted(slot.gpu_bytes.items()))
    return f"{figures.size(slot.memory_bytes)} resident{own}{on_gpus}"
