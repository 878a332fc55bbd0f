"""The records of pulls on the disk."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hal0.daemon.models.record import Record, Wanted
from hal0.daemon.models.store import Store


def test_a_record_that_is_written_twice_at_once_is_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = Record(name="m", wanted=[Wanted(source="hf:a/b:" + "c" * 1000)], started_at=0.0)
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(store.save, record) for _ in range(200)]:
            done.result()
    assert store.unfinished() == [record]
