from pathlib import Path

from hal0.daemon.slots.output import FILE_BYTES, FILES_KEPT, KEPT_LINES, LONGEST_LINE_BYTES, Output


def test_lines_are_put_together_from_pieces(tmp_path: Path) -> None:
    output = Output(tmp_path / "s.log")
    for piece in (b"one\ntw", b"o\r\n", b"thr", b"ee"):
        output.feed(piece)
    assert output.tail(10) == ["one", "two"]
    output.end()
    assert output.tail(10) == ["one", "two", "three"]
    assert output.tail(0) == []


def test_the_last_words_of_a_run_are_its_own(tmp_path: Path) -> None:
    output = Output(tmp_path / "s.log")
    output.begin_run(1, port=8081, command="serve a")
    output.feed(b"one\ntwo\nthree\n")
    assert output.tail_of_run(2) == ["two", "three"]
    output.feed(b"cut off")
    output.begin_run(2, port=8082, command="serve b")
    assert output.tail_of_run(10) == []
    output.feed(b"four\n")
    assert output.tail_of_run(10) == ["four"]
    assert output.tail(3) == ["cut off", "--- run 2 on port 8082: serve b", "four"]


def test_after_a_restart_of_the_daemon_they_begin_where_the_run_began(tmp_path: Path) -> None:
    before = Output(tmp_path / "s.log")
    before.begin_run(1, port=8081, command="serve a")
    before.feed(b"one\n")
    before.begin_run(2, port=8081, command="serve a")
    before.feed(b"two\nthree\n")
    after = Output(tmp_path / "s.log")
    after.recall()
    after.note("run 2, pid 7, is taken back by a new daemon")
    after.feed(b"four\n")
    assert after.tail_of_run(10) == ["two", "three", "--- run 2, pid 7, is taken back by a new daemon", "four"]
    assert after.tail(5)[0] == "--- run 2 on port 8081: serve a"


def test_each_line_has_the_time_when_it_came_and_those_of_an_earlier_daemon_have_none(tmp_path: Path) -> None:
    Output(tmp_path / "s.log").feed(b"long ago\n")
    now = 1000.0
    output = Output(tmp_path / "s.log", now=lambda: now)
    output.recall()
    output.feed(b"one\ntw")
    now = 1060.0
    output.feed(b"o\n")
    assert output.printed(10) == [(0.0, "long ago"), (1000.0, "one"), (1060.0, "two")]
    assert output.printed(10, since=1000.0) == [(1000.0, "one"), (1060.0, "two")]
    assert output.printed(1, since=1000.0) == [(1060.0, "two")]
    assert output.printed(10, since=1061.0) == []


def test_lines_without_an_end_are_cut(tmp_path: Path) -> None:
    output = Output(tmp_path / "s.log")
    output.feed(b"x" * (3 * LONGEST_LINE_BYTES + 1))
    output.feed(b"y" * LONGEST_LINE_BYTES + b"\nz\n")
    assert max(map(len, output.tail(100))) == LONGEST_LINE_BYTES
    assert output.tail(1) == ["z"]
    assert sum(map(len, output.tail(100))) == 4 * LONGEST_LINE_BYTES + 2


def test_memory_and_files_are_bounded(tmp_path: Path) -> None:
    output = Output(tmp_path / "s.log")
    block = b"".join(b"%0100d\n" % number for number in range(5_000))
    for _ in range(FILES_KEPT * FILE_BYTES // len(block) + 20):
        output.feed(block)
    assert len(output.tail(10**6)) == KEPT_LINES
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["s.log", "s.log.1", "s.log.2"]
    assert all(path.stat().st_size <= FILE_BYTES for path in tmp_path.iterdir())


def test_what_is_not_text_is_replaced(tmp_path: Path) -> None:
    output = Output(tmp_path / "s.log")
    output.feed(b"\xff\xfe ok\n")
    assert output.tail(1) == ["\ufffd\ufffd ok"]


def test_a_file_that_cannot_be_written_costs_no_line(tmp_path: Path) -> None:
    output = Output(tmp_path / "nowhere" / "s.log")
    output.feed(b"still here\n")
    assert output.tail(1) == ["still here"]
