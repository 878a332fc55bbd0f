"""A stream in the words of another API, as far as the relay deals with it: failures get their codes here."""

from collections.abc import Callable

from hal0.daemon.http.client import BrokenAnswer
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.faults import told_fault
from hal0.daemon.proxy.seams import Answer, Spec
from hal0.daemon.proxy.translation import ToldFailure, Translator
from hal0.errors import Hal0Error


class Translated:
    """The translation of one slot's stream."""

    def __init__(self, translator: Translator, *, spec: Spec, api: Api) -> None:
        self._translator = translator
        self._spec = spec
        self._api = api
        self._failure: Hal0Error | None = None

    def begun(self) -> bytes:
        return self._translator.begin(model=self._spec.model.id)

    def after(self, look: Callable[[bytes], bytes], connection: Answer) -> Callable[[bytes], bytes]:
        """For the socket's callback, which must not raise: a failure ends the connection, and whoever reads gets it."""

        def turn(data: bytes) -> bytes:
            whole = look(data)
            if not whole or self._failure is not None:
                return b""
            try:
                return self._feed(whole)
            except Hal0Error as error:
                self._failure = error
                connection.fail(error)
                return b""

        return turn

    def ended(self, rest: bytes) -> bytes:
        """What is left to say at the end; raises if the stream had none."""
        if self._failure is not None:  # it came with the last bytes, and the connection had ended before it could fail
            raise self._failure
        said = self._feed(rest) + self._translator.end()
        if not self._translator.has_ended:
            raise BrokenAnswer("its stream ended before its answer did")
        return said

    def _feed(self, data: bytes) -> bytes:
        try:
            return self._translator.feed(data)
        except ToldFailure as told:
            spec = self._spec
            raise told_fault(slot=spec.name, kind=spec.kind, api=self._api, body=told.body) from told
        except ValueError as error:
            raise Hal0Error("slot.bad_response", slot=self._spec.name, reason=str(error)) from error
