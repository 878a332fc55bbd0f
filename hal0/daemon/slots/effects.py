"""What another configuration does to a slot: nothing, a change at once, or a restart. The one judge of that, for
taking a revision over and for `hal0 plan`.

A backend restarts when its command line, its environment or its program would be another, never for anything else. One
that could not be started again, because its program or its model is gone, keeps running as it is until it can be.
"""

from collections.abc import Mapping

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.providers.base import Launch, Provider, spec_of
from hal0.daemon.slots.run import ModelFiles
from hal0.errors import Hal0Error
from hal0.wire import Effect, SlotEffect


def rendered(
    name: str, config: SlotConfig, *, models: ModelFiles, providers: Mapping[str, Provider]
) -> tuple[Launch | None, str]:
    """How the slot would be started, or why it cannot be."""
    try:
        provider = providers[config.provider]
        return provider.launch(spec_of(name, config, provider=provider, find=models.find)), ""
    except Hal0Error as error:
        return None, f"{error.message} ({error.code})"


def effect_on(
    name: str,
    *,
    before: SlotConfig,
    after: SlotConfig,
    running: tuple[Launch, int | None] | None,
    models: ModelFiles,
    providers: Mapping[str, Provider],
) -> SlotEffect:
    """`running`: how its backend was started and on which port, None if nothing was rendered yet."""
    launch, problem = rendered(name, after, models=models, providers=providers)
    if running is not None and launch is None:
        kept = f"it goes on as it was started until it can be started anew: {problem}"
        return SlotEffect(name=name, effect="keep", running=True, problem=kept)
    changes: list[str] = []
    if running is not None and launch is not None:
        old, port = running
        changes = differences(old, launch)
        if after.port not in (None, port):
            changes.append(f"port {port} → {after.port}")
    effect: Effect = "restart" if changes else "keep" if before == after else "live"
    return SlotEffect(name=name, effect=effect, running=running is not None, changes=changes, problem=problem)


def differences(old: Launch, new: Launch) -> list[str]:
    """What of a running backend would be another, in words; empty if it may go on.

    The values of `args`, `command` and `env` may be secrets: only that they differ is told.
    """
    if old == new:
        return []
    before, after = _options(old), _options(new)
    gone = [option for option in before if option not in after]
    come = [option for option in after if option not in before]
    lines = [f"command line: {' '.join(gone) or 'nothing'} → {' '.join(come) or 'nothing'}"] if gone or come else []
    if names := sorted({name for name, _ in set(old.env) ^ set(new.env)}):
        lines.append(f"environment: {', '.join(names)}")
    lines += [
        f"{what}: {before or 'none'} → {after or 'none'}"
        for what, before, after in (
            ("folder", old.cwd, new.cwd),
            ("path of the API", old.api_path, new.api_path),
            ("path of its health", old.health_path, new.health_path),
        )
        if before != after
    ]
    return lines or ["command line: its words"]


def _options(launch: Launch) -> list[str]:
    """The command line, each option with its value, without the words of `args` and `command`."""
    options: list[str] = []
    for word in launch.command:
        if word.origin.endswith((".args", ".command")):
            continue
        if options and options[-1].startswith("-") and " " not in options[-1] and not word.text.startswith("-"):
            options[-1] += f" {word.text}"
        else:
            options.append(word.text)
    return options
