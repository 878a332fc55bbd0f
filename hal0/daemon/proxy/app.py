"""The /v1 relay, as a raw ASGI app: eight steps from a client's request to its end, each a method below.

A request can end in four ways, and each is told: answered; failed, in our envelope or as a last event; cancelled by a
person, likewise; or its client left, upon which the task is cancelled and the backend's connection closed at once.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hal0.daemon.config.schema import Settings
from hal0.daemon.http.client import BrokenAnswer
from hal0.daemon.http.payload import Body
from hal0.daemon.http.pipe import ClientGone
from hal0.daemon.image_files import PATH as PICTURES
from hal0.daemon.keys.key import Key
from hal0.daemon.keys.ring import Keyring
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy import audio, headers
from hal0.daemon.proxy.body import Call, check_content_type, parse
from hal0.daemon.proxy.bounds import bytes_allowed
from hal0.daemon.proxy.faults import fault, is_the_upstreams, own_fault, told_fault
from hal0.daemon.proxy.heartbeat import beating
from hal0.daemon.proxy.native import NATIVE
from hal0.daemon.proxy.passage import Passage, Receive
from hal0.daemon.proxy.progress import PROGRESS_TYPE, relay_answer
from hal0.daemon.proxy.relay import TooSlow, Watch, relay_bytes, relay_events
from hal0.daemon.proxy.replies import EVENT_STREAM, Header, Reply, Send
from hal0.daemon.proxy.requests import Requests
from hal0.daemon.proxy.seams import Adapter, Answer, Carrier, Choice, Dialect, Dispatcher, Lease
from hal0.daemon.proxy.shaping import shaped
from hal0.daemon.proxy.translated import Translated
from hal0.daemon.proxy.translation import Translation
from hal0.errors import Hal0Error
from hal0.forms import read_form
from hal0.unreached import in_words
from hal0.wire import Kind, Outcome

PATHS: Mapping[str, Api] = {
    **{api.value: api for api in Api},
    "/v1/rerank": Api.RERANK,
    "/v1/reranking": Api.RERANK,
    "/rerank": Api.RERANK,
    "/v1/responses": Api.CHAT,
    "/v1/responses/input_tokens": Api.CHAT,
    "/v1/messages": Api.CHAT,
    "/v1/messages/count_tokens": Api.CHAT,
}
# An answer announced to be at most so long is taken whole before its head is sent: a break is still a clean error then.
WHOLE_BYTES = 2**20
ADAPTED_BYTES = 64 * 2**20
ERROR_BYTES = 64 * 2**10
ERROR_INSTEAD = b'{"error":'  # how FastFlowLM's failures begin, which come with status 200
JSON = [(b"content-type", b"application/json")]
BY_MODEL = "model"  # the rule by which a slot was chosen for the model it serves
UP = frozenset({"ready", "serving", "idle"})

log = logging.getLogger("hal0.proxy")


class ProxyApp:
    """Relays requests to the upstreams that serve them: slots over `pool`, remotes over `remotes`.

    Files that come in requests lie in `uploads` meanwhile.
    """

    def __init__(
        self,
        *,
        dispatcher: Dispatcher,
        keys: Keyring,
        requests: Requests,
        pool: Carrier,
        remotes: Carrier,
        settings: Callable[[], Settings],
        adapters: Mapping[Api, Adapter],
        dialects: Mapping[str, Dialect],
        pictures: str,
        uploads: Path,
    ) -> None:
        """`pictures` is the folder in which those lie that are answered as a URL."""
        self._dispatcher = dispatcher
        self._keys = keys
        self._requests = requests
        self._pool = pool
        self._remotes = remotes
        self._settings = settings
        self._adapters = adapters
        self._dialects = dialects
        self._pictures = pictures
        self._uploads = uploads

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request to one of PATHS."""
        settings = self._settings()
        if scope["method"] == "OPTIONS":
            permission = headers.preflight(settings.server.cors_origins, scope["headers"])
            await Reply(scope, send, headers=permission).whole(204, b"", [])
            return
        try:
            key = self._keys.admit(scope)
        except Hal0Error as refusal:
            # Not among the requests: whoever has no key could push those of the others off the list.
            log.info("%s from %s: %s", scope["path"], scope["client"][0], refusal)
            await self.refuse(scope, send, refusal)
            return
        passage = self._enter(scope, receive, send, settings, key)
        request, reply = passage.request, passage.reply
        error: Hal0Error | None = None
        try:
            await self._answer(passage)
        except Hal0Error as raised:
            error = raised
        except asyncio.CancelledError:
            error = request.was_interrupted()
            if error is None:
                self._client_left(passage)
                raise
        except ClientGone:
            self._client_left(passage)
            raise
        except (
            Exception
        ) as raised:  # a defect of ours: the client is told as of any other failure, the log has the rest
            log.exception("%s %s", request.id, request.path)
            error = Hal0Error("system.internal", reason=type(raised).__name__)
        if error is None:
            request.finish("ok", status=reply.status)
            return
        outcome: Outcome = "cancelled" if error.code == "dispatch.cancelled" else "failed"
        request.finish(outcome, status=reply.status or error.status, error=error)
        log.info("%s %s: %s", request.id, request.path, error)
        await reply.fail(error)

    async def refuse(self, scope: Any, send: Send, error: Hal0Error) -> None:
        """Answer a request that may not enter."""
        await self._reply(scope, send, self._settings(), request=headers.request_id(scope["headers"])).fail(error)

    def _client_left(self, passage: Passage) -> None:
        if passage.request.tap.has_all:  # it has all of its answer and did not wait for the last empty chunk
            passage.request.finish("ok", status=passage.reply.status)
            return
        left = Hal0Error("dispatch.cancelled", by="its client")
        passage.request.finish("cancelled", status=passage.reply.status, error=left)

    async def _answer(self, passage: Passage) -> None:
        """Steps 2 to 8; 3 to 8 again for each stand-in, as long as nothing of an answer was sent."""
        call = await self._read(passage)
        try:
            choice = self._choose(passage, call, call.model)
            try:
                return await self._via(passage, call, choice, call.model)
            except Hal0Error as error:
                if passage.reply.status is not None or not choice.fallback or not is_the_upstreams(error):
                    raise
                await self._fall_back(passage, call, choice, error)
        finally:
            if call.form is not None:
                await call.form.release()

    async def _fall_back(self, passage: Passage, call: Call, first: Choice, reason: Hal0Error) -> None:
        """Let the others try, in order. If none can, the client is told what the first one failed of."""
        plain = [header for header in passage.reply.headers if not header[0].startswith(b"x-hal0-")]
        tried = {first.upstream}  # another model of the same remote is another upstream
        for name in first.fallback:
            try:
                choice = self._choose(passage, call, name)
                if choice.upstream in tried:
                    continue
                tried.add(choice.upstream)
                told = headers.ascii_value(f"{first.upstream.name} {reason.code}")
                passage.reply.headers[:] = [*plain, (b"x-hal0-fallback", told)]
                log.info("%s: %s stands in: %s", passage.request.id, name, reason)
                return await self._via(passage, call, choice, name)
            except Hal0Error as error:
                if passage.reply.status is not None:
                    raise
                reason.details.setdefault("fallback", []).append({"upstream": name, "code": error.code})
        passage.reply.headers[:] = plain
        raise reason

    async def _via(self, passage: Passage, call: Call, choice: Choice, model: str | None) -> None:
        """Steps 4 to 8; 3 again if the slot serves another model than `model` by the time the turn has come."""
        while True:
            background = passage.request.background
            leasing = choice.upstream.lease(request=passage.request.id, background=background)
            if passage.settings.dispatch.heartbeat and call.is_event_stream:
                if call.translation is not None and call.translation.stream is not None:
                    passage.reply.last_event = call.translation.stream.fail
                leasing = beating(leasing, passage.reply)
            async with leasing as lease:
                served = lease.spec.model
                if choice.rule != BY_MODEL or model == served.id or model in served.aliases:
                    return await self._on_lease(passage, call, choice, lease)
            choice = self._choose(passage, call, model)

    async def _on_lease(self, passage: Passage, call: Call, choice: Choice, lease: Lease) -> None:
        self._leased(passage, choice, lease)
        answer = await self._open(passage, call, lease)
        lease.carried_by(answer)
        try:
            with self._watch(passage, answer, lease):
                await self._refuse_error(answer, call, lease)
                if _is_native(call, lease):
                    await self._relay_natively(passage, answer, call, lease)
                else:
                    await self._relay(passage, answer, call, lease)
        except (BrokenAnswer, TooSlow) as error:
            raise await self._broken(lease, error, begun=passage.reply.status is not None) from error
        finally:
            passage.request.counted = answer.counted
            self._carrier(lease).release(answer)

    # 1 enter

    def _enter(self, scope: Any, receive: Receive, send: Send, settings: Settings, key: Key | None) -> Passage:
        given, client = scope["headers"], scope.get("client")
        request = self._requests.begin(
            id=headers.request_id(given),
            path=scope["path"],
            client=client[0] if client else "",
            key=key.name if key else "",
        )
        reply = self._reply(scope, send, settings, request=request.id)
        return Passage(scope["path"], scope["method"], given, receive, reply, request, settings, key)

    def _reply(self, scope: Any, send: Send, settings: Settings, *, request: str) -> Reply:
        said = [*headers.cors(settings.server.cors_origins, scope["headers"]), (b"x-request-id", request.encode())]
        reply = Reply(scope, send, headers=said)
        dialect = self._dialects.get(scope["path"])
        if dialect is not None and (wording := dialect.wording) is not None:
            said += wording.headers(request)
            reply.error_body = partial(wording.error, request=request)
        return reply

    # 2 read

    async def _read(self, passage: Passage) -> Call:
        """The whole body, checked."""
        api = PATHS[passage.path]
        if passage.method != "POST":
            raise Hal0Error("system.method_not_allowed", path=passage.path, method=passage.method, allowed="POST")
        passage.request.background = headers.is_background(passage.headers)
        limit = bytes_allowed(api, passage.settings.server.body_limit)
        call = await (self._read_form if api is Api.TRANSCRIPTION else self._read_json)(passage, api, limit)
        passage.request.asked = headers.printable(call.model or "")
        passage.request.stream = call.body.is_stream
        passage.request.tap.is_sound = call.api is Api.SPEECH
        if self._requests.captures():
            passage.request.prompt = call.prompt()
        return call

    async def _read_json(self, passage: Passage, api: Api, limit: int) -> Call:
        check_content_type(headers.find(passage.headers, b"content-type"))
        raw = await passage.body(limit_bytes=limit)
        dialect = self._dialects.get(passage.path)
        return parse(api, raw) if dialect is None else dialect.call(passage.path, raw)

    async def _read_form(self, passage: Passage, api: Api, limit: int) -> Call:
        media = headers.find(passage.headers, b"content-type") or b""
        form = await read_form(media.decode("latin-1"), passage.parts(limit_bytes=limit), folder=self._uploads)
        try:
            return Call(api, audio.read_call(form), raw=b"", form=form)
        except Hal0Error:
            await form.release()
            raise

    # 3 choose

    def _choose(self, passage: Passage, call: Call, model: str | None) -> Choice:
        try:
            choice = self._dispatcher.pick(call.api, model, passage.settings, key=passage.key)
        except Hal0Error as error:
            if "path" in error.details:  # the client's own, not that of the API which answers it
                error.details["path"] = passage.path
            raise
        upstream = choice.upstream
        if call.refusal is not None and not (call.native is not None and call.native.path in upstream.native):
            raise call.refusal
        passage.request.background |= choice.background
        passage.request.dispatched(slot=upstream.name, rule=choice.rule, is_up=upstream.state in UP)
        return choice

    # 4 lease (every caller shares one start): what it came to

    def _leased(self, passage: Passage, choice: Choice, lease: Lease) -> None:
        model = lease.spec.model.id
        passage.request.leased(model=model, queue_ms=lease.queue_ms, load_ms=lease.load_ms, context=lease.context)
        if lease.terms is not None:
            passage.request.billed(lease.terms.price, tells_cost=lease.terms.tells_cost)
        passage.reply.headers += [
            (b"x-hal0-remote" if lease.is_remote else b"x-hal0-slot", headers.ascii_value(choice.upstream.name)),
            (b"x-hal0-model", headers.ascii_value(model)),
            (b"x-hal0-queue-ms", b"%d" % lease.queue_ms),
            (b"x-hal0-load-ms", b"%d" % lease.load_ms),
            (b"x-hal0-route", headers.ascii_value(choice.rule)),
        ]
        if lease.engine:
            passage.reply.headers.append((b"x-hal0-engine", headers.ascii_value(lease.engine)))

    # 5 open

    async def _open(self, passage: Passage, call: Call, lease: Lease) -> Answer:
        """Send the request and read the head of the answer; every failure up to here is still a clean error."""
        if call.form is not None:
            return await self._ask(passage, lease, call.api.value, audio.for_model(call.form, lease.spec.model.id))
        spec, adapter = lease.spec, self._adapter(call, lease)
        if adapter is not None:
            path, body = adapter.request(call, kind=_kind(call, lease), model=spec.model.id)
            return await self._ask(passage, lease, path, body)
        if call.native is not None and _is_native(call, lease):
            path = call.native.path
            body = shaped(call.natively(spec.model.id), path, spec.config)
            return await self._ask(passage, lease, path, body, natively=True)
        named = lease.endpoint.names_model or call.translation is not None  # llama-server counts for a named model
        path = call.api.value
        body = shaped(call.for_model(spec.model.id, named=named), path, spec.config)
        if call.translation is None:
            return await self._ask(passage, lease, path, body)
        return await self._ask_translated(passage, lease, call.translation, body)

    async def _ask_translated(self, passage: Passage, lease: Lease, translation: Translation, chat: bytes) -> Answer:
        while True:
            connection = await self._ask(passage, lease, translation.path, translation.body(chat))
            other = translation.instead((await connection.head()).status)
            if other is None:
                return connection
            self._carrier(lease).release(connection)
            translation = other

    async def _ask(self, passage: Passage, lease: Lease, path: str, body: Body, *, natively: bool = False) -> Answer:
        media = b"application/json" if isinstance(body, bytes) else body.content_type.encode()
        upward = headers.to_backend(
            passage.headers, request_id=passage.request.id, content_type=media, natively=natively
        )
        if lease.endpoint.speaks_hal0:
            upward += headers.for_pictures(passage.headers, folder=self._pictures, path=PICTURES)
        limit = passage.settings.dispatch.stream_idle_timeout
        try:
            there = lease.endpoint.path(path)
            answer: Answer = await self._carrier(lease).ask(
                lease.endpoint, there, body=body, headers=upward, timeout_seconds=limit
            )
            return answer
        except TimeoutError as error:
            raise Hal0Error("dispatch.upstream_timeout", slot=lease.spec.name, seconds=limit) from error
        except (BrokenAnswer, OSError) as error:
            raise await self._broken(lease, error, begun=False) from error

    def _carrier(self, lease: Lease) -> Carrier:
        return self._remotes if lease.is_remote else self._pool

    def _adapter(self, call: Call, lease: Lease) -> Adapter | None:
        if lease.is_remote and call.api is not Api.RERANK:  # what backends lack, remotes have
            return None
        adapter = self._adapters.get(call.api)
        return adapter if adapter is not None and adapter.applies_to(call, _kind(call, lease)) else None

    def _watch(self, passage: Passage, connection: Answer, lease: Lease) -> Watch:
        limits = passage.settings.dispatch
        idle = None if lease.terms is None else lease.terms.idle_seconds
        return Watch(
            connection,
            idle_seconds=limits.stream_idle_timeout if idle is None else idle,
            total_seconds=limits.stream_total_timeout,
        )

    async def _broken(self, lease: Lease, error: Exception, *, begun: bool) -> Hal0Error:
        """What a backend's breaking off is called, before and after the head."""
        slot = lease.spec.name
        if isinstance(error, TooSlow):
            code = "dispatch.stream_stalled" if begun else "dispatch.upstream_timeout"
            return Hal0Error(code if error.silent else "dispatch.stream_too_long", slot=slot, seconds=error.seconds)
        is_systems = isinstance(error, OSError) and error.errno is not None  # else it has been put into words already
        told = await lease.failure(in_words(error) if is_systems else str(error) or type(error).__name__)
        if told.code == "dispatch.stream_broken" and not begun:
            return Hal0Error("dispatch.upstream_unavailable", **told.details)
        return told

    async def _refuse_error(self, connection: Answer, call: Call, lease: Lease) -> None:
        head = await connection.head()
        if head.status != 200:
            body = await connection.read_all(ERROR_BYTES)
            if lease.endpoint.speaks_hal0 and (told := own_fault(body, slot=lease.spec.name)) is not None:
                raise told
            again = headers.seconds(head.header(b"retry-after")) if lease.is_remote else None
            spec = lease.spec
            raise fault(
                slot=spec.name, kind=spec.kind, api=call.api, status=head.status, body=body, retry_after_seconds=again
            )

    # 6 head, 7 relay; 8 close is the way out of `_answer`

    async def _relay(self, passage: Passage, connection: Answer, call: Call, lease: Lease) -> None:
        head, reply, tap = await connection.head(), passage.reply, passage.request.tap
        passed = headers.to_client(head.headers)
        adapter, translation = self._adapter(call, lease), call.translation
        kind = head.header(b"content-type")
        is_stream = kind.startswith(EVENT_STREAM)
        if lease.endpoint.speaks_hal0 and kind == PROGRESS_TYPE:
            kept = [header for header in passed if header[0] == b"x-hal0-ignored"]
            await self._relay_answer(passage, connection, lease, kept + JSON)
        elif adapter is not None or (translation is not None and not is_stream):
            body = await self._whole(connection, call, lease, limit_bytes=ADAPTED_BYTES)
            tap.keep(body)
            await reply.whole(200, await self._adapted(adapter, call, lease, body), JSON)
        elif is_stream:
            translated = None if translation is None else self._translated(reply, translation, call, lease)
            await reply.head(200, [*passed, (b"x-accel-buffering", b"no")], is_stream=True)
            await relay_events(connection, reply, tap, on_first=passage.request.decoding, translated=translated)
        elif reply.is_held or (head.length is not None and head.length <= WHOLE_BYTES):
            limit = ADAPTED_BYTES if reply.is_held else WHOLE_BYTES
            body = await self._whole(connection, call, lease, limit_bytes=limit)
            tap.keep(body)
            await reply.whole(200, body, passed)
        else:
            if head.length is not None:
                passed.append((b"content-length", b"%d" % head.length))
            await reply.head(200, passed, is_stream=False)
            await relay_bytes(connection, reply, tap, on_first=passage.request.decoding)

    async def _relay_answer(
        self, passage: Passage, connection: Answer, lease: Lease, answer_headers: list[Header]
    ) -> None:
        on_progress = passage.request.progressed
        try:
            await relay_answer(
                connection, passage.reply, answer_headers, whole_bytes=WHOLE_BYTES, on_progress=on_progress
            )
        except Hal0Error as error:
            error.details["slot"] = lease.spec.name
            raise

    async def _relay_natively(self, passage: Passage, connection: Answer, call: Call, lease: Lease) -> None:
        """What a remote answers in the words of the client's own API passes as it comes, a failure in it as well."""
        assert call.native is not None
        stream = None if call.translation is None else call.translation.stream
        if stream is not None:
            passage.reply.last_event = stream.fail
        tap = passage.request.listens_for(NATIVE[call.native.path])
        await self._relay(passage, connection, replace(call, translation=None), lease)
        if (told := tap.failure()) is not None:
            spec = lease.spec
            raise told_fault(slot=spec.name, kind=spec.kind, api=call.api, body=told)

    async def _whole(self, connection: Answer, call: Call, lease: Lease, *, limit_bytes: int) -> bytes:
        body = await connection.read_all(limit_bytes)
        if body.startswith(ERROR_INSTEAD):
            raise fault(slot=lease.spec.name, kind=lease.spec.kind, api=call.api, status=500, body=body)
        return body

    def _translated(self, reply: Reply, translation: Translation, call: Call, lease: Lease) -> Translated:
        if translation.stream is None:
            raise Hal0Error("slot.bad_response", slot=lease.spec.name, reason="a stream that nobody asked for")
        reply.last_event = translation.stream.fail
        return Translated(translation.stream, spec=lease.spec, api=call.api)

    async def _adapted(self, adapter: Adapter | None, call: Call, lease: Lease, body: bytes) -> bytes:
        try:
            if call.translation is not None:
                body = call.translation.whole(body)
            return body if adapter is None else await adapter.answer(call, kind=_kind(call, lease), body=body)
        except ValueError as error:
            raise Hal0Error("slot.bad_response", slot=lease.spec.name, reason=str(error)) from error


def _is_native(call: Call, lease: Lease) -> bool:
    """Whether the upstream has the API that the request came in."""
    return lease.terms is not None and call.native is not None and call.native.path in lease.terms.native


def _kind(call: Call, lease: Lease) -> Kind:
    """What the upstream is for this call; a remote is whatever its model is."""
    return "rerank" if lease.is_remote and call.api is Api.RERANK else lease.spec.kind
