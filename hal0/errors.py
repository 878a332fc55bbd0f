"""The catalogue of error codes, and the one exception that carries them.

A code names a failure once and for all: its HTTP status, the `type` that OpenAI clients read, the sentence a person
sees, the likely cause and the next step. `docs/errors.md`, `hal0 explain` and the dashboard are made from this table.
Whoever fails raises `Hal0Error(code, **facts)`; the facts fill the sentence and travel as `details`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

ErrorType = Literal[
    "invalid_request_error", "authentication_error", "permission_error", "not_found_error", "server_error"
]


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """One entry of the catalogue."""

    code: str
    status: int
    type: ErrorType
    message: str  # str.format template over the facts
    cause: str
    remedy: str
    retryable: bool = False  # the same request may succeed later without anyone doing anything

    @property
    def namespace(self) -> str:
        return self.code.partition(".")[0]


CATALOGUE: dict[str, ErrorSpec] = {}


def _add(
    code: str,
    status: int,
    message: str,
    *,
    cause: str,
    remedy: str,
    retryable: bool = False,
    type: ErrorType | None = None,
) -> None:
    if type is None:
        type = "server_error" if status >= 500 else "not_found_error" if status == 404 else "invalid_request_error"
    CATALOGUE[code] = ErrorSpec(code, status, type, message, cause, remedy, retryable)


# slot: the life of a backend process ----------------------------------------------------------------------------
_add(
    "slot.not_found",
    404,
    "there is no slot named {slot!r}{nearest}",
    cause="The name is not in the configuration; a rename or a typing mistake.",
    remedy="`hal0 slot list` shows the slots that exist.",
)
_add(
    "slot.already_exists",
    409,
    "there is a slot named {slot!r} already",
    cause="Names of slots are unique, and none is overwritten by making another.",
    remedy="`hal0 slot edit {slot} KEY=VALUE` changes it, `hal0 slot swap {slot} MODEL` gives it another model; or "
    "choose another name.",
)
_add(
    "slot.not_ready",
    503,
    "{slot} is still {state}",
    retryable=True,
    cause="The slot has not finished loading its model, or is being unloaded.",
    remedy="Try again shortly. `hal0 slot show {slot}` tells how far it is.",
)
_add(
    "slot.queue_full",
    503,
    "{slot} is busy, and {waiting} requests already wait for it",
    cause="More requests come than the slot can answer; `queue_limit` of the slot bounds how many may wait.",
    remedy="Try again after the time in Retry-After; raise `parallel` or `queue_limit`, or add a slot for the model.",
    retryable=True,
)
_add(
    "slot.spawn_failed",
    500,
    "the backend of {slot} could not be started: {reason}",
    cause="The program of the slot does not exist or may not be executed.",
    remedy="`hal0 slot show {slot}` prints the command line; run it by hand, then correct `binary`, `command` or "
    "`cwd` of the slot.",
)
_add(
    "slot.start_timeout",
    504,
    "{slot} was not ready after {seconds:g} s",
    retryable=True,
    cause="The model is larger than the disk or the device can load in that time, or the backend hangs.",
    remedy="See `hal0 slot logs {slot}`; raise `start_timeout` of the slot if loading is only slow.",
)
_add(
    "slot.health_failed",
    503,
    "{slot} stopped answering its health check: {reason}",
    retryable=True,
    cause="The backend process is alive but hangs or answers with errors.",
    remedy="hal0 restarts it. If this repeats, see `hal0 slot logs {slot}`.",
)
_add(
    "slot.crashed",
    502,
    "the backend of {slot} ended unexpectedly: {reason}",
    retryable=True,
    cause="The backend crashed, or something outside hal0 killed it (the kernel's OOM killer does).",
    remedy="hal0 starts it again by itself. `hal0 slot logs {slot}` has its last words.",
)
_add(
    "slot.crash_looping",
    503,
    "{slot} failed {failures} times in a row; the last failure: {reason}",
    cause="The backend dies each time it is started, so hal0 waits longer between tries and parks it after five.",
    remedy="Mend the cause named in the message, then `hal0 slot restart {slot}`.",
)
_add(
    "slot.load_failed",
    502,
    "{slot} could not load its model: {reason}",
    cause="The backend started but ended before it could serve: a bad or unsupported model file, or too little memory.",
    remedy="See `hal0 slot logs {slot}`; check the model file and the slot's `context`.",
)
_add(
    "slot.bad_response",
    502,
    "the backend of {slot} gave an answer that makes no sense: {reason}",
    cause="The backend speaks another protocol than its provider expects, or is broken.",
    remedy="Check `provider`, and `binary` or `command`, of the slot; `hal0 slot logs {slot}`.",
)
_add(
    "slot.stop_timeout",
    504,
    "{slot} did not stop: process {pid} survives SIGKILL",
    cause="A process stuck in the kernel, usually in a GPU driver.",
    remedy="See `dmesg`. The device may need a reset or the machine a reboot.",
)
_add(
    "slot.illegal_transition",
    409,
    "{slot} is {state}: {trigger} is not possible now",
    cause="The slot is in a state that does not allow what was asked for.",
    remedy="`hal0 slot show {slot}`; wait for the state to change, then repeat.",
)
_add(
    "slot.no_free_port",
    503,
    "no free port for {slot} in {first}-{last}",
    cause="Every port of the range is taken, by slots or by other programs.",
    remedy="End what occupies them, or widen `ports` in [daemon].",
)
_add(
    "slot.port_in_use",
    409,
    "port {port}, meant for {slot}, is taken by another program",
    cause="Another process listens on the slot's port.",
    remedy="Find it with `ss -ltnp sport = :{port}`, or remove `port` from the slot so that hal0 chooses one.",
)
_add(
    "slot.engine_missing",
    503,
    "{slot} cannot run here: {missing}",
    cause="The machine lacks something that the slot's engine needs.",
    remedy="{fix}",
)

_add(
    "slot.insufficient_memory",
    507,
    "{slot} does not fit: {sum}",
    cause="The model with its context needs more memory than is free and could be freed. Pinned slots are never "
    "unloaded to make room, busy ones not before their requests are done, and nobody is unloaded when that would not "
    "be enough, or for a start that nobody waits for.",
    remedy="`hal0 slot load {slot} --dry-run` tells the sum. Lower `context` or `parallel` of {slot}, cache with "
    '`args = ["-ctk", "q8_0", "-ctv", "q8_0"]`, choose a smaller model or quantisation, unload another slot or take '
    'away its `pinned`, or set `memory = "ignore"` for {slot} to try all the same. With Retry-After, asking again '
    "helps.",
)
_add(
    "slot.swap_failed",
    502,
    "{slot} could not be swapped to {model}: {reason}; {then}",
    cause="The new model did not become ready, so hal0 went back to the one before.",
    remedy="`hal0 why {slot}` and `hal0 slot logs {slot}` tell more of the failed start; `hal0 model show {model} "
    "--fit` tells whether it fits.",
)
_add(
    "slot.swap_under_way",
    409,
    "{slot} is being swapped to {model} already",
    cause="One swap of a slot is seen through before the next begins.",
    remedy="Wait until it is done (`hal0 slot show {slot}`), then repeat. `hal0 slot unload {slot}` calls it off.",
)
_add(
    "slot.swap_called_off",
    409,
    "the swap of {slot} to {model} was called off",
    cause="Somebody unloaded the slot, or edited it, before the new model was ready.",
    remedy="`hal0 slot show {slot}` tells which model it has now; repeat the swap if it is still wanted.",
)
_add(
    "slot.no_such_crash",
    404,
    "there is no crash bundle {id!r}",
    cause="The id is mistyped, or the bundle was deleted to make room for newer ones.",
    remedy="`hal0 crash list` shows the bundles that are kept.",
)

# model: files and names -----------------------------------------------------------------------------------------
_add(
    "model.not_found",
    404,
    "there is no model named {model!r}{nearest}",
    cause="The model is neither shipped with hal0, nor pulled, nor listed in [models], nor a file in a model folder.",
    remedy="`hal0 model list` shows what is known; `hal0 model pull` fetches a model, `hal0 model add FILE` takes one "
    "that is here.",
)
_add(
    "model.file_missing",
    409,
    "the file of model {model!r} is not there: {path}",
    cause="The file was moved or deleted, or its disk is not mounted.",
    remedy="Restore the file, or correct its path where it stands: `path` in [models.{model}], or the slot itself. "
    "One that hal0 had pulled, pull again.",
)
_add(
    "model.no_such_file",
    404,
    "there is no file {path}",
    cause="The path is mistyped, or is one of another machine than the daemon's.",
    remedy="Correct the path; `hal0 model list --found` shows models that other programs have stored here.",
)
_add(
    "model.no_projector",
    409,
    "{model} has no image projector here: {reason}",
    cause="A model of llama.cpp sees pictures through a second file, its projector (mmproj). It is not where the "
    "slot's `mmproj` says.",
    remedy="Put the projector of {model} beside the model, or name its file with `mmproj`. Without that key the slot "
    "reads text only.",
)
_add(
    "model.not_downloaded",
    409,
    "{slot} needs {model}, which is not on this machine: {reason}",
    cause="hal0 downloads no model unless it is told to, and keeps its backends from doing so.",
    remedy="{fix}",
)
_add(
    "model.file_invalid",
    422,
    "{path} is not a usable model file: {reason}",
    cause="It is another file than was meant, or it is cut short or damaged.",
    remedy="Name the file of a model. One that should be whole, fetch again.",
)
_add(
    "model.wrong_kind",
    409,
    "{model} is a model for {kind}, and {slot} is a slot for {slot_kind}",
    cause="Those who use the slot would be answered with errors if its model could not do what they ask for.",
    remedy="Choose another model (`hal0 model list`), or make a slot of its own for this one: `hal0 slot create`.",
)
_add(
    "model.checksum_mismatch",
    502,
    "{path} is damaged: its SHA-256 is not the expected one",
    cause="The file was changed or cut short since it was made, or the SHA-256 that was given is another file's.",
    remedy="For a model that ships with hal0, reinstall the package; for another, compare the SHA-256 with what its "
    "source says, and fetch the file again.",
)

_add(
    "model.not_pulled",
    409,
    "{model} is in hal0's catalogue but not on this machine",
    cause="hal0 downloads no model unless it is told to.",
    remedy="`hal0 model pull {model}` fetches it; `hal0 model show {model}` tells its size and licence.",
)
_add(
    "model.not_fetched",
    409,
    "{model} is not on this machine yet; it comes from {source}{licence}",
    cause="[models.NAME] gives its `url`; it is pulled when a slot that serves it starts.",
    remedy="Start the slot, or `hal0 model pull {model}` now.",
)
_add(
    "model.being_pulled",
    503,
    "{model} is still being pulled: {progress}",
    cause="The model is on its way; slots that serve it wait in the state `pulling` and start when it is there.",
    remedy="`hal0 model list` shows how far it is.",
    retryable=True,
)
_add(
    "model.not_curated",
    404,
    "{model!r} is neither in hal0's catalogue nor a source{nearest}",
    cause="A short name is looked up in the catalogue that comes with hal0; everything else must say where it is.",
    remedy="`hal0 model list --catalogue` shows the catalogue. Other sources are hf:OWNER/REPOSITORY:FILE, "
    "hf:OWNER/REPOSITORY:Q4_K_M, hf:OWNER/REPOSITORY and https://… .",
)
_add(
    "model.bad_source",
    400,
    "{source} cannot be pulled: {reason}",
    cause="The source is mistyped, ambiguous, or one that hal0 does not fetch from.",
    remedy="Write hf:OWNER/REPOSITORY:FILE, hf:OWNER/REPOSITORY:Q4_K_M, hf:OWNER/REPOSITORY or https://… .",
)
_add(
    "model.source_not_found",
    404,
    "{host} has no {source}",
    cause="The repository, file or revision does not exist there, or was renamed or deleted.",
    remedy="Look at the page of the model; names of repositories and files are case-sensitive.",
)
_add(
    "model.access_denied",
    403,
    "{host} does not give {source} to us: {reason}",
    type="permission_error",
    cause="The model is gated or private: its owner wants a licence accepted, or an account.",
    remedy="{fix}",
)
_add(
    "model.token_unusable",
    403,
    "the access token in {path} is not used: {reason}",
    type="permission_error",
    cause="A token is a secret, so hal0 reads it only from a file that nobody else may read.",
    remedy="`chmod 600 {path}`, and see that the daemon's user owns it.",
)
_add(
    "model.offline",
    503,
    "{host} cannot be reached: {reason}",
    cause="This machine is offline, its DNS does not answer, or a firewall or proxy is in the way.",
    remedy="Nothing is lost: what has come is kept. Connect the machine (HTTPS_PROXY is heeded) and pull again, or "
    "copy the file here and `hal0 model add FILE`.",
    retryable=True,
)
_add(
    "model.pull_failed",
    502,
    "{model} could not be pulled from {host}: {reason}",
    cause="The server kept failing, or did not send what it had announced.",
    remedy="What has come is kept: `hal0 model pull {model}` goes on from there. If it fails again, try later or "
    "another source.",
    retryable=True,
)
_add(
    "model.not_a_model",
    502,
    "{host} sent something else than {model}: {reason}",
    cause="A web page to log in or a notice was sent in the file's place, or the file is not what its name says.",
    remedy="Open the address in a browser to see what it is; for Hugging Face, use hf:OWNER/REPOSITORY:FILE.",
)
_add(
    "model.no_space",
    507,
    "{model} does not fit on the disk of {path}: {reason}",
    cause="The disk has less room than the model needs, or a quota is reached.",
    remedy="Make room (`hal0 model list` shows what takes it, `hal0 model rm NAME` frees it) or set `store` in "
    "[models] to a folder on a larger disk; then pull again, which goes on where it stopped.",
)
_add(
    "model.store_unwritable",
    500,
    "cannot write to {path}: {reason}",
    cause="The folder for models belongs to another user, is read-only, or its disk fails.",
    remedy="Correct its owner and mode, or set `store` in [models] to another folder.",
)
_add(
    "model.already_exists",
    409,
    "there is a model {model!r} already: {reason}",
    cause="Names of models are unique, and hal0 overwrites none.",
    remedy="Choose another name with `--as NAME`, or remove the other first with `hal0 model rm {model}`.",
)
_add(
    "model.pull_cancelled",
    409,
    "the pull of {model} was stopped by {by}",
    cause="A person stopped it; what has come is kept.",
    remedy="`hal0 model pull {model}` goes on; `hal0 model rm {model}` deletes what has come.",
)
_add(
    "model.no_such_pull",
    404,
    "{model!r} is not being pulled",
    cause="It is already there, was never asked for, or has another name.",
    remedy="`hal0 model list` shows the pulls under way and those that stopped.",
)
_add(
    "model.in_use",
    409,
    "{model} is in use: {slots}",
    cause="A slot of the configuration serves the model.",
    remedy="Give the slot another model or delete it first; `hal0 model rm {model} --force` removes it all the same.",
)
_add(
    "model.not_ours",
    409,
    "hal0 does not delete {model}: {reason}",
    cause="hal0 deletes only files that it has pulled itself.",
    remedy="{fix}",
)

# dispatch: a request on its way ---------------------------------------------------------------------------------
_add(
    "dispatch.no_route",
    404,
    "nothing here serves {model!r}{nearest}",
    cause="The `model` field names neither a slot, nor a model that a slot serves, nor one of a remote.",
    remedy="`hal0 slot list` shows the slots and their models; GET /v1/models lists every name that works.",
)
_add(
    "dispatch.missing_model",
    400,
    "{path} needs `model`: the name of the slot or model that shall answer",
    cause="Audio has no default slot: which voice or ear is meant must be said, as OpenAI's API has it.",
    remedy="Add `model` to the request; GET /v1/models lists every name that works.",
)
_add(
    "dispatch.capability_mismatch",
    409,
    "{slot} is a slot for {kind}; it cannot answer {path}",
    cause="The request was sent to a slot of another kind, such as chat to an embedding slot.",
    remedy="Name a slot of the right kind in `model`; `hal0 slot list` shows each slot's kind.",
)
_add(
    "dispatch.no_image_slot",
    404,
    "nothing here draws: {model!r} is no slot for images, and there is none; it needs ComfyUI and a slot with "
    '`provider = "comfyui"`',
    cause="hal0 draws with ComfyUI, which does not come with it, and no slot of the configuration has "
    '`provider = "comfyui"`.',
    remedy='Install ComfyUI and add a slot: `[slots.img]` with `provider = "comfyui"`, `model = "sdxl-turbo"` and '
    "`cwd` (the folder of its checkout) or `url` (of one that runs). docs/images.md tells it step by step.",
)
_add(
    "dispatch.upstream_unavailable",
    502,
    "{slot} could not be reached: {reason}",
    retryable=True,
    cause="The backend or the remote refused the connection or closed it before it answered.",
    remedy="Try again; hal0 restarts a backend that died. `hal0 status` shows its state, `hal0 remote test` that of a "
    "remote.",
)
_add(
    "dispatch.upstream_failed",
    502,
    "{slot} answered with an error: {reason}",
    cause="The backend, or the remote, failed while it worked on the request, or did not accept hal0's key for it.",
    remedy="`details.upstream` has its own words; `hal0 slot logs {slot}` has more of a slot, `hal0 remote test` "
    "of a remote.",
)
_add(
    "dispatch.upstream_limited",
    429,
    "{slot} takes no more requests now: {reason}",
    retryable=True,
    cause="The remote limits how much may be asked of it, or what this key may spend.",
    remedy="Wait and try again, or name what stands in for it with `fallback` in its table.",
)
_add(
    "dispatch.upstream_overloaded",
    503,
    "{slot} is overloaded: {reason}",
    retryable=True,
    cause="The remote has more to do than it can, whoever asks.",
    remedy="Wait and try again, or name what stands in for it with `fallback` in its table.",
)
_add(
    "dispatch.upstream_rejected",
    400,
    "{slot} rejected the request: {reason}",
    cause="A field of the request has a value that the backend does not accept.",
    remedy="`details.upstream` has the backend's own words; correct the request.",
)
_add(
    "dispatch.upstream_timeout",
    504,
    "{slot} sent nothing for {seconds:g} s",
    cause="The prompt takes longer to read than the limit allows, or, without `stream`, the whole answer takes longer "
    "to write; or the backend hangs.",
    remedy="Ask with `stream`, or raise `stream_idle_timeout` in [dispatch]; if it hangs, `hal0 slot restart {slot}`.",
)
_add(
    "dispatch.stream_stalled",
    504,
    "{slot} fell silent for {seconds:g} s in the middle of its answer",
    cause="The backend hangs.",
    remedy="Repeat the request; raise `stream_idle_timeout` in [dispatch] if the device is that slow.",
)
_add(
    "dispatch.stream_too_long",
    504,
    "the answer of {slot} took longer than {seconds:g} s",
    cause="`stream_total_timeout` in [dispatch] limits how long one answer may take.",
    remedy="Ask for fewer tokens, or raise the limit.",
)
_add(
    "dispatch.stream_broken",
    502,
    "{slot} broke off in the middle of its answer: {reason}",
    retryable=True,
    cause="The backend closed the connection before the end, usually because it crashed.",
    remedy="Repeat the request; `hal0 slot logs {slot}` has the backend's last words.",
)
_add(
    "dispatch.cancelled",
    499,
    "the request was cancelled by {by}",
    cause="A person cancelled it in the dashboard or with the CLI, or the client left.",
    remedy="Nothing to mend. Send the request again if it was a mistake.",
)
_add(
    "dispatch.remote_key_missing",
    503,
    "the remote {remote} has no key: {reason}",
    cause="`key_env` or `key_file` of the remote names something that is not there, is empty or is open to others.",
    remedy="Set the variable in the daemon's own environment, or write the key into the file and make it mode 600.",
)
_add(
    "dispatch.remote_not_found",
    404,
    "there is no remote named {remote!r}{nearest}",
    cause="The name is not in the configuration; a rename or a typing mistake.",
    remedy="`hal0 remote list` shows the remotes that exist.",
)
_add(
    "dispatch.request_not_found",
    404,
    "there is no request {id!r} in flight",
    cause="It has already finished, or never existed.",
    remedy="`hal0 status` shows the requests in flight.",
)
_add(
    "dispatch.invalid_json",
    400,
    "the body is not valid JSON: {reason}",
    cause="A typing mistake, a body cut short, NaN or Infinity, or bytes that are not UTF-8.",
    remedy="Correct the body at the place named.",
)
_add(
    "dispatch.invalid_request",
    400,
    "{field}: {reason}",
    cause="A field is missing or has the wrong type or value.",
    remedy="Correct the field named in `param`.",
)
_add(
    "dispatch.prompt_required",
    422,
    "prompt: there is nothing to draw",
    cause="`prompt` is missing, empty, or no text.",
    remedy="Say in `prompt` what the picture shall show.",
)
_add(
    "dispatch.size_invalid",
    422,
    "size: {given!r} is not a size of a picture",
    cause="A size is WIDTHxHEIGHT in pixels, both from 64 to 2048 and multiples of 8.",
    remedy='Ask for a size such as "512x512" or "1024x1024", or leave it out for the one that suits the model.',
)
_add(
    "dispatch.workflow_invalid",
    422,
    "ComfyUI cannot run the workflow of {slot}: {reason}",
    cause="The graph names a node, a file or a value that this ComfyUI does not have, or the file is not a graph as "
    "its Export (API) writes it.",
    remedy="`details.node_errors` has ComfyUI's own words, by node. A checkpoint that is missing: `hal0 model pull` "
    "the model and set `cwd`, or put the file into `models/checkpoints` of ComfyUI. A node that is missing: install or "
    "update it there. A `workflow` of your own: correct the file; it is read anew for each request.",
)
_add(
    "dispatch.image_not_found",
    404,
    "there is no picture {name}",
    cause="Pictures that were answered as a URL are kept for a day, or until they take too much room.",
    remedy='Ask for it again, with the same `seed`; with `response_format` "b64_json" the picture is in the answer.',
)
_add(
    "dispatch.unsupported",
    400,
    "{field}: {what} is not supported here",
    cause="The request uses a part of its API that hal0 does not have, such as a tool that OpenAI or Anthropic run "
    "themselves. It is refused rather than left out, since the answer would not be the one that was asked for.",
    remedy="Leave out the field named in `param`; functions, text and images work.",
)
_add(
    "dispatch.not_stored",
    400,
    "hal0 keeps no answers, so nothing here can go on from {what}",
    cause="The request refers to an earlier answer, item or conversation that the server should have kept.",
    remedy="Send the whole conversation in `input`, with the `output` of earlier answers; clients do so with `store` "
    "set to false.",
)
_add(
    "dispatch.context_exceeded",
    400,
    # Clients tell this failure from others by OpenAI's word for it, and by what several APIs say in its place.
    "the prompt is longer than the model's context length on {slot} (context_length_exceeded): {reason}",
    cause="Prompt and wanted answer together are longer than the context. `details` has `prompt_tokens` and "
    "`context_tokens` where the backend tells them.",
    remedy="Shorten the prompt, or raise `context` of the slot if its model allows more.",
)
_add(
    "dispatch.unsupported_media",
    415,
    "the body must be {wanted}, not {given}",
    cause="The Content-Type header does not fit the endpoint.",
    remedy="Send the header `Content-Type: {wanted}`.",
)
_add(
    "dispatch.unsupported_audio",
    415,
    "{file} holds no sound that can be read: {reason}",
    cause="The file is not audio, is damaged, or is of a format that hal0 does not take.",
    remedy="Send wav, mp3, flac, ogg, opus, m4a, mp4 or webm; a player such as `ffplay` tells whether it is whole.",
)
_add(
    "dispatch.audio_empty",
    400,
    "{file} is empty: there is nothing to transcribe",
    cause="The file has no bytes, or is the head of a recording without any sound behind it.",
    remedy="Check the recording; with curl, the `@` of `-F file=@NAME` reads the file.",
)
_add(
    "dispatch.too_large",
    413,
    "the body is larger than {limit_bytes} bytes",
    cause="`body_limit` in [server] bounds what one request may send. Endpoints other than chat take no pictures, so "
    "a request to them may have 8 MiB at most.",
    remedy="Send less, or in several requests; for pictures in chat, raise the limit.",
)

# config: hal0.toml ----------------------------------------------------------------------------------------------
_add(
    "config.not_found",
    404,
    "there is no configuration file {path}",
    cause="`--config` or HAL0_CONFIG names a file that does not exist.",
    remedy="Correct the path, or leave it out: without a file hal0 runs its embedded default.",
)
_add(
    "config.unreadable",
    422,
    "{path} could not be read: {reason}",
    cause="The file's permissions or its disk do not allow reading, or it is not text.",
    remedy="Correct the permissions or the encoding (UTF-8).",
)
_add(
    "config.syntax",
    422,
    "{place}: not valid TOML: {reason}",
    cause="A typing mistake in the file.",
    remedy="Correct the place named; `hal0 config check` judges a file without a daemon.",
)
_add(
    "config.invalid",
    422,
    "{place}: {reason}",
    cause="A value is of the wrong type, out of range, or contradicts another.",
    remedy="Correct the place named; `hal0 config check` judges a file without a daemon.",
)
_add(
    "config.unknown_key",
    422,
    "{place}: unknown key {key!r}{nearest}",
    cause="A typing mistake, or a key of another version.",
    remedy="Remove or correct the key; every key has an effect, so hal0 refuses those it does not know.",
)

_add(
    "config.tls_unusable",
    422,
    "{path} cannot be used for TLS: {reason}",
    cause="The file does not exist, may not be read, is not in PEM form, or certificate and key are not of one pair.",
    remedy="Name a certificate with its chain and its key, both in PEM form, as `tls_cert` and `tls_key` in [server]; "
    "for a client, a certificate as HAL0_CERT.",
)
_add(
    "config.clash",
    422,
    "{place}: {reason}",
    cause="Parts of the configuration contradict each other: a name, port or table given twice, or a name of nothing.",
    remedy="Correct one of the places named; `hal0 config check` judges a file without a daemon.",
)
_add(
    "config.implausible",
    409,
    "{place}: {reason}",
    cause="The file vanished, became empty, lost all its slots, or ends before a slot that runs: rather a save cut "
    "short than meant.",
    remedy="Save the file again; if it is meant, `hal0 config reload --force` takes it over.",
)
_add(
    "config.rejected",
    422,
    "{path} cannot be used, {count} problem(s): {first}",
    cause="The configuration has mistakes. A running daemon keeps the last good one.",
    remedy="Correct the places named; `hal0 config check` judges a file without a daemon.",
)
_add(
    "config.conflict",
    412,
    "the configuration is not the one this edit began with: {reason}",
    cause="Somebody else changed it meanwhile, in the file or by another command.",
    remedy="Look at it again (`hal0 config show`, `hal0 config diff`), then repeat the edit.",
)
_add(
    "config.read_only",
    403,
    "{path} may not be written: {reason}",
    cause="The file, its folder or its disk is read-only for hal0, or it belongs to another user.",
    remedy="Edit the file as its owner, or correct its owner and mode; the old file is as it was.",
)
_add(
    "config.write_failed",
    500,
    "{path} could not be written: {reason}",
    cause="The disk is full, a limit is reached, or the disk fails.",
    remedy="Make room and repeat; the old file is as it was.",
)
_add(
    "config.unfinished",
    507,
    "a write of several files of the configuration was cut short and cannot be brought to its end: {reason}",
    cause="hal0 was killed between two of the files, as in a rollback over drop-ins, or the disk failed. Half of such "
    "a write is never taken over.",
    remedy="Make the files named writable again, then start or reload; or put them right by hand and remove {path}.",
)
_add(
    "config.locked",
    409,
    "the configuration is being written by another command for {seconds} s already",
    cause="A `hal0` command that writes without a daemon has not ended: it is stopped, or waits for a slow disk.",
    remedy="End that command (its pid: {pid}), then repeat.",
)
_add(
    "config.not_editable",
    409,
    "hal0 cannot change {key} in {path} by itself",
    cause="The key is written in a way that cannot be changed without touching its surroundings.",
    remedy="Edit the file by hand (`hal0 config edit`).",
)
_add(
    "config.no_editor",
    500,
    "the configuration could not be edited: {reason}",
    cause="No editor is set, it cannot be started, or it ended with a failure.",
    remedy="Set EDITOR, for example `EDITOR=nano hal0 config edit`; or edit the file itself, which is enough.",
)
_add(
    "config.elsewhere",
    409,
    "{path} is on the machine of the daemon, {host}, and cannot be opened from here",
    cause="The dashboard shows a daemon of another machine, or of a container that has files of its own.",
    remedy="`hal0 config edit --host URL` edits the configuration from here; or edit the file on its machine.",
)
_add(
    "config.dashboard",
    422,
    "{path}: {reason}",
    cause="The dashboard's own settings, tui.toml beside hal0.toml, have something in them that cannot be.",
    remedy="Correct the file, or move it away; docs/keys.md has what may stand in it, with the id of every key.",
)
_add(
    "config.no_revision",
    404,
    "there is no revision {revision} in the history",
    cause="It is not among the last 50, or never was.",
    remedy="`hal0 config history` lists those that are kept.",
)
_add(
    "config.slot_failed",
    502,
    "since revision {revision} of the configuration {slot} does not become ready: {reason}",
    cause="The revision changed the slot, and its backend does not start with what it says now.",
    remedy="Correct the slot, or `hal0 config rollback {good}`; `auto_rollback` in [daemon] does that by itself.",
)
_add(
    "config.rolled_back",
    502,
    "revision {revision} was taken back to revision {good}: {slot} did not become ready: {reason}",
    cause="A slot that the revision changed does not start, and `auto_rollback` is set.",
    remedy="`hal0 config diff {good} {revision}` shows what went; correct it and apply it again.",
)

# system: the daemon and the way to it ---------------------------------------------------------------------------
_add(
    "system.internal",
    500,
    "hal0 itself failed: {reason}",
    cause="A defect in hal0.",
    remedy="Please report it, with the request id and the daemon's log.",
)
_add(
    "system.bad_request",
    400,
    "not a request hal0 can read: {reason}",
    cause="The bytes are not valid HTTP/1.1, or their framing is ambiguous.",
    remedy="Correct the client; a proxy in between may be at fault.",
)
_add(
    "system.not_found",
    404,
    "there is nothing at {path}{nearest}",
    cause="The path is not one of hal0's.",
    remedy="The API is under /v1: the base URL for OpenAI clients ends in `/v1`.",
)
_add(
    "system.method_not_allowed",
    405,
    "{path} does not answer {method}; it answers {allowed}",
    cause="The right path with the wrong method.",
    remedy="Use one of the methods named.",
)
_add(
    "system.header_too_large",
    431,
    "the request's headers are larger than {limit_bytes} bytes",
    cause="A very long URL, cookie or header.",
    remedy="Shorten the headers.",
)
_add(
    "system.request_timeout",
    408,
    "the request did not arrive whole within {seconds:g} s",
    cause="The client stopped sending in the middle of its request.",
    remedy="Send it again.",
)
_add(
    "system.overloaded",
    503,
    "{connections} clients are connected already, which is as many as hal0 can hold",
    retryable=True,
    cause="Every connection is busy, and each needs open files, of which a process may have only so many.",
    remedy="Try again shortly. If this repeats, raise the limit of open files (`LimitNOFILE=` of the systemd unit, "
    "`ulimit -n`) and restart hal0.",
)
_add(
    "system.auth_required",
    401,
    "an API key is needed: {reason}",
    type="authentication_error",
    cause="hal0 has API keys, so /v1 and /metrics want one. The admin API wants one of scope admin from other machines "
    "or, with `admin` in [auth], from everybody on the port.",
    remedy="Send it as `Authorization: Bearer …` or `x-api-key`; the `hal0` command takes it from HAL0_KEY. "
    "`hal0 key add` makes one.",
)
_add(
    "system.forbidden",
    403,
    "not allowed: {reason}",
    type="permission_error",
    cause="The admin API answers the daemon's user and root on this machine, and whoever has an admin key: no other "
    "user or host, and no web page. An API key may be limited to some slots.",
    remedy="For the admin API use `hal0` on the machine itself or over SSH: as that user, in the group of its socket, "
    "or with sudo; or send an admin key. For a slot, `hal0 key add NAME --slots …` makes a key that may reach it.",
)
_add(
    "system.key_exists",
    409,
    "there is a key named {name!r} already",
    cause="Names of keys are unique: requests are shown with them.",
    remedy="Choose another name, or `hal0 key revoke {name}` first.",
)
_add(
    "system.key_not_found",
    404,
    "there is no key named {name!r}{nearest}",
    cause="It was revoked already, or the name is mistyped.",
    remedy="`hal0 key list` shows the keys by name.",
)
_add(
    "system.keys_unusable",
    500,
    "the API keys in {path} cannot be used: {reason}",
    cause="The file was edited by hand and is not as hal0 writes it, its permissions let others write to it, or the "
    "daemon's user may not read it. A running daemon keeps the keys that it knows.",
    remedy="Mend the file, or remove it and make the keys anew with `hal0 key add`; while it is gone /v1 wants none.",
)
_add(
    "system.shutting_down",
    503,
    "hal0 is stopping and takes no new requests",
    cause="The daemon was asked to stop and is finishing what it had begun.",
    remedy="Try again once it is back.",
)
_add(
    "system.daemon_down",
    503,
    "hal0d does not answer at {where}: {reason}",
    cause="The daemon is not running, or it runs as another user with another socket.",
    remedy="Start it with `hal0 up` or `hal0 serve`, or `systemctl start hal0`; one that --host or HAL0_URL names, on "
    "its own machine.",
)
_add(
    "system.bad_address",
    400,
    "{where} is not the address of a daemon: {reason}",
    cause="What --host or HAL0_URL says is mistyped, or no DNS knows the name.",
    remedy="Write http://HOST:8080, or https://HOST:8080 where it speaks TLS; `hal0 status` on its own machine tells "
    "the address. Without --host and HAL0_URL the daemon of this machine is asked.",
)
_add(
    "system.certificate_untrusted",
    502,
    "the certificate of {where} is not trusted: {reason}",
    cause="The daemon has a certificate that nobody known to this machine has signed, that is out of date, or that is "
    "for another name; or somebody else answers in its place.",
    remedy="If it is its own, copy the file that `tls_cert` in [server] names there to this machine and name it with "
    "HAL0_CERT; the host in the address must be one that the certificate is for.",
)
_add(
    "system.tls_mismatch",
    502,
    "{where} cannot be asked like that: {reason}",
    cause="http:// is for a port that speaks plain HTTP, https:// for one with `tls_cert` in [server].",
    remedy="Ask {right} instead, in --host or HAL0_URL.",
)
_add(
    "system.no_daemon_log",
    404,
    "no log of hal0d is found: {reason}",
    cause="It runs in a terminal or a container, which has its log, or nobody has started it yet.",
    remedy="Look where `hal0 serve` runs. Under systemd the log is in the journal; `hal0 up` has it in a file.",
)
_add(
    "system.bad_answer",
    502,
    "what answers at {where} does not speak hal0's admin API: {reason}",
    cause="Another program listens there, or the daemon is of a very different version.",
    remedy="Check the address, and restart the daemon after an upgrade; `hal0 --version` tells this side's version.",
)
_add(
    "system.already_running",
    409,
    "a hal0 daemon already runs here (pid {pid}, {where})",
    cause="Two daemons would fight over the same slots and ports.",
    remedy="Use the one that runs (`hal0 tui`), or end it with `hal0 stop`.",
)
_add(
    "system.not_stopped",
    409,
    "hal0 stop leaves the daemon at {where} alone: {reason}",
    cause="`hal0 stop` ends daemons of this machine and of this user; a service of systemd is ended by systemd, which "
    "might start it again otherwise.",
    remedy="{fix}",
)
_add(
    "system.start_failed",
    500,
    "hal0d did not come up: {reason}",
    cause="The daemon ended before it answered; its own words stand above and in its log.",
    remedy="Mend what they name, then try again. The whole log is {log}.",
)
_add(
    "system.unknown_code",
    404,
    "there is no error code {given!r}{nearest}",
    cause="A typing mistake, or a code of another version of hal0.",
    remedy="`hal0 explain --all` lists every code.",
)
_add(
    "system.disk_full",
    507,
    "no room in {path} for what a request sends: {reason}",
    cause="Uploads of more than 1 MiB lie on a disk until they are answered.",
    remedy="Make room on that disk. The folder is that of hal0's state (HAL0_STATE_DIR), or for a backend TMPDIR in "
    "`env` of its slot, else /var/tmp.",
)
_add(
    "system.address_in_use",
    500,
    "cannot listen on {address}: {reason}",
    cause="Another program holds the address.",
    remedy="Choose another port with HAL0_PORT or `port` in [server], or end the other program.",
)
_add(
    "system.address_unusable",
    500,
    "cannot listen on {address}: {reason}",
    cause="This machine has no such address or host name, this user may not use that port, or the path of the socket "
    "is longer than the kernel takes (107 bytes).",
    remedy="Correct `host` and `port` in [server], or HAL0_HOST and HAL0_PORT; for a socket name a shorter or another "
    "folder with HAL0_RUNTIME_DIR.",
)
_add(
    "system.state_unwritable",
    500,
    "cannot write to {path}: {reason}",
    cause="The directory for state, logs or the socket belongs to someone else, is read-only, or its disk is full.",
    remedy="Correct its owner and mode or make room, or name another: `state_dir` in [daemon], HAL0_STATE_DIR, "
    "HAL0_RUNTIME_DIR.",
)
_add(
    "system.no_place",
    500,
    "cannot tell where hal0's files are: {reason}",
    cause="This user has no home directory or may not read it, or the working directory is gone.",
    remedy="Set HOME, or name the places with HAL0_CONFIG, HAL0_STATE_DIR and HAL0_RUNTIME_DIR.",
)
_add(
    "system.output_failed",
    500,
    "the output could not be written: {reason}",
    cause="The disk that standard output goes to is full or fails, or the stream is not open for writing.",
    remedy="Make room, or send the output elsewhere, and repeat the command.",
)
_add(
    "system.recording",
    500,
    "the recording {path} cannot be used: {reason}",
    cause="The file cannot be written or read, is there already, or is no recording.",
    remedy="Name another file; `hal0-tui --record FILE` makes one.",
)
_add(
    "system.replay",
    409,
    "{path} is a recording: nothing can be asked of it",
    cause="The dashboard was opened with --replay; what it shows is past.",
    remedy="Leave with q, and open the dashboard without --replay to reach the daemon.",
)
_add(
    "system.not_a_terminal",
    500,
    "the dashboard needs a terminal: {reason}",
    cause="Standard output or input is a file or a pipe.",
    remedy="Run it in a terminal; `hal0 status` prints the same facts anywhere.",
)


class Hal0Error(Exception):
    """A failure with a code. The facts fill the catalogue's sentence and are sent as `details`.

    `param` names the offending request field. `retry_after_seconds` is set only when waiting is known to help.
    """

    def __init__(
        self,
        code: str,
        /,
        *,
        param: str | None = None,
        retry_after_seconds: float | None = None,
        **details: Any,
    ) -> None:
        self.spec = CATALOGUE[code]
        self.code = code
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        self.details = details
        super().__init__(code)

    @property
    def status(self) -> int:
        return self.spec.status

    @property
    def message(self) -> str:
        return fill(self.spec.message, self.details)

    @property
    def remedy(self) -> str:
        return fill(self.spec.remedy, self.details)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def again(self) -> "Hal0Error":
        """The same failure for another who is told of it: what one adds, or raises, does not stick to the others'."""
        return Hal0Error(self.code, param=self.param, retry_after_seconds=self.retry_after_seconds, **self.details)

    def envelope(self) -> dict[str, Any]:
        """The JSON body of every failure answer."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "details": self.details,
                "type": self.spec.type,
                "param": self.param,
            }
        }

    def body(self) -> bytes:
        return json.dumps(self.envelope(), ensure_ascii=True, default=str).encode()

    @classmethod
    def from_envelope(cls, answer: object) -> Self | None:
        """The error that a daemon's answer tells of; None if it is not an envelope of a code known here."""
        error = answer.get("error") if isinstance(answer, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        if not isinstance(error, dict) or not isinstance(code, str) or code not in CATALOGUE:
            return None
        details = error.get("details")
        facts = {str(k): v for k, v in details.items()} if isinstance(details, dict) else {}
        for name in ("param", "retry_after_seconds"):  # words of the constructor, which are no facts
            facts.pop(name, None)
        return cls(str(error["code"]), param=error.get("param"), **facts)


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """Put the facts into a template of the catalogue; a fact that is missing shows as its name, and never raises."""
    try:
        return template.format_map(_Facts(facts))
    except (
        ValueError,
        TypeError,
    ):  # a fact of another type than the template's format wants, e.g. from a newer daemon
        return template


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the nearest known name; empty if none is near. For `{nearest}` in messages."""
    from difflib import get_close_matches  # here, because most runs of the CLI never need it

    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def outline(template: str) -> str:
    """A template of the catalogue for reading: `<fact>` where each fact will stand."""
    return template.format_map(_Outline())


class _Outline(dict[str, Any]):
    def __missing__(self, key: str) -> "_FactName":
        return _FactName(key)


class _FactName(str):
    """The name of a fact, shown alike whatever format or conversion the template asks for."""

    def __format__(self, spec: str) -> str:
        return "" if self == "nearest" else f"<{self[:]}>"

    def __repr__(self) -> str:
        return f"<{self[:]}>"
