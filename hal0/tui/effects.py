"""What a configuration does to the slots, in words: for `hal0 plan`, after each write, and on the dashboard. Pure."""

from collections.abc import Mapping

from hal0.wire import ConfigView, Effect, SlotEffect

WORDS: Mapping[Effect, str] = {
    "keep": "keeps running",
    "live": "changes at once, without a restart",
    "restart": "restarts when its requests are done",
    "add": "is new",
    "remove": "goes when its requests are done",
}
SHORT: Mapping[Effect, str] = {
    "live": "changes at once",
    "restart": "restarts",
    "add": "is new",
    "remove": "goes",
}


def words_for(effect: SlotEffect) -> str:
    return "stays as it is" if effect.effect == "keep" and not effect.running else WORDS[effect.effect]


def summary(config: ConfigView) -> str:
    """What a revision that was just taken over does, in one line; the slots it touches come first."""
    touched = [f"{each.name} {SHORT[each.effect]}" for each in config.effects if each.effect != "keep"]
    kept = len(config.effects) - len(touched)
    parts = [*touched, *([f"{kept} untouched"] if kept else [])]
    by = f" by {config.by}" if config.by else ""
    return f"cfg r{config.revision}{by} is live: {', '.join(parts) or 'there is no slot'}"
