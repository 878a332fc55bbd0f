"""The chat of the dashboard, against a daemon that answers as it is told."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from hal0.errors import Hal0Error
from hal0.tui.conversation import Conversation, attachment, setting
from hal0.tui.screens.chat import ChatScreen
from hal0.tui.screens.home import Home
from tests.tui.live import Live, live
from tests.tui.samples import busy_state, default_state

ASK = ("POST", "/v1/chat/completions")


async def say(both: Live, text: str) -> None:
    await both.press(*("space" if char == " " else "slash" if char == "/" else char for char in text), "enter")


def sent(both: Live) -> dict[str, Any]:
    body: dict[str, Any] = both.daemon.bodies[ASK]
    return body


async def test_a_chat_shows_the_answer_as_it_comes_and_goes_on_with_what_was_said(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (120, 36)) as both:
        both.daemon.answers["primary"] = [{"reasoning_content": "I think"}, "Good ", None, "day to you"]
        await both.press("c")
        await both.sees("ask primary something")
        await say(both, "hello")
        await both.sees("> hello", "I think", "Good ", "^x stop")
        assert "day to you" not in both.screen
        both.daemon.go_on.set()
        await both.sees("Good day to you", "load 412ms", "40 tok", "ctx 140", "^r again")
        await say(both, "and now")
        await both.until(lambda: both.daemon.calls.count(ASK) == 2)
        assert [each["content"] for each in sent(both)["messages"]] == ["hello", "Good day to you", "and now"]
        await both.press(*"half", "escape")
        assert isinstance(both.dashboard.screen, Home)
        await both.press("c")
        await both.sees("> hello", "Good day to you", "half")


async def test_an_answer_is_stopped_and_asked_for_again(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (120, 36)) as both:
        both.daemon.answers["primary"] = ["Once upon", None, " a time"]
        await both.press("c")
        await say(both, "a story")
        await both.sees("Once upon")
        await both.press("ctrl+x")
        await both.no_longer_sees("^x stop")
        both.daemon.go_on.set()
        await both.press("ctrl+r")
        await both.sees("(once more)", "Once upon a time")
        assert [each["content"] for each in sent(both)["messages"]] == ["a story"]


async def test_a_slot_that_answers_no_chat_is_refused_beside_another_and_instead_of_it(tmp_path: Path) -> None:
    state = busy_state()
    slots = [each.model_copy(update={"aliases": ["ranker"]}) if each.name == "rerank" else each for each in state.slots]
    async with live(tmp_path, state.model_copy(update={"slots": slots}), (120, 36)) as both:
        await both.press("c")
        for words, name, kind in (
            ("/ab embed", "embed", "embedding"),
            ("/slot embed", "embed", "embedding"),
            ("/ab ranker", "rerank", "rerank"),
        ):
            both.dashboard.store.untell()
            await say(both, words)
            await both.sees(f"dispatch.capability_mismatch: {name} is a slot for {kind}; it cannot answer /v1/chat")
            chat = both.dashboard.screen
            assert isinstance(chat, ChatScreen)
            assert [side.conversation.model for side in chat.sides] == ["chat-l"]
        await say(both, "/ab code-m")
        await both.until(lambda: len(chat.sides) == 2)


async def test_a_failure_is_told_with_its_code_before_and_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (120, 36)) as both:
        both.daemon.answers["primary"] = [Hal0Error("slot.queue_full", slot="primary", waiting=9, limit=9)]
        await both.press("c")
        await say(both, "hello")
        await both.sees("slot.queue_full: ")
        both.daemon.answers["primary"] = ["Good", Hal0Error("dispatch.stream_broken", slot="primary", reason="it died")]
        await say(both, "again")
        await both.sees("Good", "dispatch.stream_broken: ")
        assert [each["content"] for each in sent(both)["messages"]] == ["again"], "what was not answered was not said"


async def test_two_slots_are_asked_the_same_side_by_side(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        both.daemon.answers |= {"chat-l": ["the large one"], "code-m": ["the coder"]}
        await both.press("c")
        await say(both, "/ab code-m")
        await say(both, "who")
        await both.sees("chat-l", "code-m", "the large one", "the coder")
        await say(both, "/ab")
        await both.no_longer_sees("the coder")


async def test_what_begins_with_a_slash_is_no_talk(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (120, 36)) as both:
        both.daemon.answers["primary"] = ["fine"]
        note = tmp_path / "note.txt"
        note.write_text("remember the milk")
        await both.press("c")
        await say(both, "/help")
        await both.sees("/export PATH")
        await say(both, "/system be short")
        await say(both, "/set temperature=0.2")
        await both.sees("temperature=0.2", "system prompt")
        await say(both, f"/file {note}")
        await both.sees("note.txt goes with the next question")
        await say(both, "what is it")
        await both.sees("> what is it [note.txt]", "fine")
        body = sent(both)
        assert body["temperature"] == 0.2
        assert body["messages"][0] == {"role": "system", "content": "be short"}
        assert "remember the milk" in body["messages"][1]["content"][0]["text"]
        await say(both, f"/export {tmp_path}/chat.md")
        await both.sees("written to")
        assert "fine" in (tmp_path / "chat.md").read_text()
        await say(both, f"/export {tmp_path}/chat.md")
        await both.sees("dispatch.invalid_request: ")
        await say(both, "/nonsense")
        await both.sees("/nonsense is no command")
        await say(both, "/new")
        await both.sees("ask primary something")
        await say(both, "/quit")
        assert isinstance(both.dashboard.screen, Home)


async def test_a_slot_that_does_not_chat_offers_none(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (200, 60)) as both:
        await both.sees("c chat")
        await both.press("j")
        await both.no_longer_sees("c chat")
        await both.press("c")
        await both.sees("this slot is not for chat")
        assert isinstance(both.dashboard.screen, Home)


def test_settings_are_read_as_json_or_text_and_what_is_the_conversations_own_is_refused() -> None:
    assert setting("temperature=0.2") == ("temperature", 0.2)
    assert setting("stop = [1, 2]") == ("stop", [1, 2])
    assert setting("user=ada") == ("user", "ada")
    assert setting("seed") == ("seed", None)
    for wrong in ("model=x", "=3", "a b=1"):
        with pytest.raises(Hal0Error):
            setting(wrong)


def test_pictures_and_texts_are_attached_and_other_files_refused(tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    picture.write_bytes(b"\x89PNG....")
    assert (
        attachment(picture)["image_url"]["url"]
        == f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
    )
    (tmp_path / "x.bin").write_bytes(b"\xff\xfe\x00")
    for wrong in (tmp_path / "x.bin", tmp_path / "not there", tmp_path):
        with pytest.raises(Hal0Error) as refused:
            attachment(wrong)
        assert str(wrong) in refused.value.message


def test_a_question_without_an_answer_is_asked_again_or_gives_way_to_the_next() -> None:
    conversation = Conversation("m")
    assert not conversation.take_back()
    conversation.ask("one", [])
    conversation.answered("1")
    conversation.ask("two", [])
    assert conversation.take_back()
    assert [each["content"] for each in conversation.body()["messages"]] == ["one", "1", "two"]
    conversation.ask("three", [])
    assert [each["content"] for each in conversation.body()["messages"]] == ["one", "1", "three"]


async def test_a_question_that_failed_is_asked_again_and_the_failure_stays_where_it_happened(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (120, 36)) as both:
        both.daemon.answers["primary"] = [Hal0Error("slot.queue_full", slot="primary", waiting=9, limit=9)]
        await both.press("c")
        await say(both, "hello")
        await both.sees("slot.queue_full: ", "^r again")
        await say(both, "/help")
        await both.sees("/export PATH")
        assert both.screen.index("slot.queue_full: ") < both.screen.index("/export PATH")
        both.daemon.answers["primary"] = ["Good day"]
        await both.press("ctrl+r")
        await both.sees("(once more)", "Good day", "slot.queue_full: ")
        assert [each["content"] for each in sent(both)["messages"]] == ["hello"]


async def test_after_an_answer_that_was_stopped_before_its_first_word_the_next_question_stands_alone(
    tmp_path: Path,
) -> None:
    """Two questions in a row break the templates of many models."""
    async with live(tmp_path, default_state(), (120, 36)) as both:
        both.daemon.answers["primary"] = [{"role": "assistant"}, None, "late"]
        await both.press("c")
        await say(both, "hello")
        await both.sees("^x stop")
        await say(both, "again")
        await both.sees("an answer is coming; ^x ends it", "again")
        await both.press("ctrl+x")
        await both.no_longer_sees("^x stop")
        both.daemon.answers["primary"] = ["Good day"]
        await both.press("enter")
        await both.sees("Good day")
        assert [each["content"] for each in sent(both)["messages"]] == ["again"]


async def test_what_is_no_file_and_the_home_of_nobody_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in ((tmp_path / "pipe", "a pipe or a device"), (tmp_path, "a directory")):
        with pytest.raises(Hal0Error, match=reason):
            attachment(path)
    async with live(tmp_path, default_state(), (120, 36)) as both:
        await both.press("c")
        for command in ("/file ~nobody-of-that-name/x", "/export ~nobody-of-that-name/x"):
            await say(both, command)
            await both.sees("dispatch.invalid_request: ", "there is no such user")
            both.dashboard.store.notice = None


async def test_what_is_pasted_into_the_question_is_drawn_without_its_controls(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (120, 36)) as both:
        await both.press("c")
        chat = both.dashboard.screen
        assert isinstance(chat, ChatScreen)
        chat.prompt.insert("red \x1b[31mand\x9b0m more")
        await both.sees("red ␛[31mand�0m more")
        assert chat.prompt.text == "red \x1b[31mand\x9b0m more"
        assert chat.prompt.render_line(0).cell_length == chat.prompt.size.width
