"""The lifecycle of a slot: nine states and one table. Pure: no I/O, no waiting.

Every change of a slot's state is a row of `TRANSITIONS`; what has no row cannot happen. `docs/lifecycle.md` and its
diagram are drawn from this table.
"""

from collections.abc import Mapping
from enum import StrEnum

from hal0.errors import Hal0Error


class State(StrEnum):
    """Where a slot is. The words are part of the API."""

    OFFLINE = "offline"
    PULLING = "pulling"
    STARTING = "starting"
    WARMING = "warming"
    READY = "ready"
    SERVING = "serving"
    IDLE = "idle"
    UNLOADING = "unloading"
    ERROR = "error"


class Trigger(StrEnum):
    """What happened to a slot."""

    FETCH = "fetch"
    SPAWN = "spawn"
    ADOPT = "adopt"
    LISTEN = "listen"
    PROVE = "prove"
    LEASE = "lease"
    RELEASE = "release"
    QUIET = "quiet"
    UNLOAD = "unload"
    GONE = "gone"
    FAIL = "fail"


MEANING: Mapping[State, str] = {
    State.OFFLINE: "no process",
    State.PULLING: "model files are being fetched or verified",
    State.STARTING: "the process runs; its port does not answer yet",
    State.WARMING: "the port answers; the model is loading",
    State.READY: "the probe passed; a request can be served",
    State.SERVING: "at least one request is in flight",
    State.IDLE: "ready, and quiet for longer than `idle_after`",
    State.UNLOADING: "a wanted stop: draining, then terminating",
    State.ERROR: "failed; a code, the reason and the last lines of output tell why",
}

CAUSE: Mapping[Trigger, str] = {
    Trigger.FETCH: "model files must be fetched or verified first",
    Trigger.SPAWN: "the backend process was started",
    Trigger.ADOPT: "a backend that an earlier daemon started was taken back; it is proven like a new one",
    Trigger.LISTEN: "the backend's own process answers on its port",
    Trigger.PROVE: "it produced a token, an embedding or a score",
    Trigger.LEASE: "the first request in flight",
    Trigger.RELEASE: "the last request in flight ended",
    Trigger.QUIET: "no request for `idle_after`",
    Trigger.UNLOAD: "someone wants it stopped: a person, a changed configuration, its idle time, the daemon's end",
    Trigger.GONE: "the whole process group has ended and the port is free",
    Trigger.FAIL: "it could not be started, died, hung, or would not stop",
}

_STOPPABLE = {Trigger.UNLOAD: State.UNLOADING, Trigger.FAIL: State.ERROR}

TRANSITIONS: Mapping[State, Mapping[Trigger, State]] = {
    State.OFFLINE: {
        Trigger.FETCH: State.PULLING,
        Trigger.SPAWN: State.STARTING,
        Trigger.ADOPT: State.STARTING,
        Trigger.FAIL: State.ERROR,
    },
    State.PULLING: {Trigger.SPAWN: State.STARTING, **_STOPPABLE},
    State.STARTING: {Trigger.LISTEN: State.WARMING, **_STOPPABLE},
    State.WARMING: {Trigger.PROVE: State.READY, **_STOPPABLE},
    State.READY: {Trigger.LEASE: State.SERVING, Trigger.QUIET: State.IDLE, **_STOPPABLE},
    State.SERVING: {Trigger.RELEASE: State.READY, **_STOPPABLE},
    State.IDLE: {Trigger.LEASE: State.SERVING, **_STOPPABLE},
    State.UNLOADING: {Trigger.GONE: State.OFFLINE, Trigger.FAIL: State.ERROR},
    State.ERROR: {
        Trigger.FETCH: State.PULLING,
        Trigger.SPAWN: State.STARTING,
        Trigger.UNLOAD: State.OFFLINE,  # nothing runs: the failure is dismissed
        Trigger.FAIL: State.ERROR,  # a retry failed before there was a process
    },
}

ANSWERING = frozenset({State.READY, State.SERVING, State.IDLE})
COMING_UP = frozenset({State.PULLING, State.STARTING, State.WARMING})


def goes_on(before: State, now: State) -> bool:
    """Whether the change leaves a slot what it was to people: up, whatever it serves, or on its way there."""
    return any({before, now} <= stretch for stretch in (ANSWERING, COMING_UP))


def after(slot: str, state: State, trigger: Trigger) -> State:
    """The state that follows; raises `slot.illegal_transition` where the table has no row."""
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise Hal0Error("slot.illegal_transition", slot=slot, state=state.value, trigger=trigger.value) from None
