"""Where a slot is said to be, and how much of a GPU's memory it is said to hold."""

from hal0.tui import places, slot_facts
from hal0.tui.device_facts import residents, tenants
from hal0.tui.look import Look
from hal0.tui.sorting import SORTS
from hal0.tui.store import Store
from hal0.tui.streams import Load
from hal0.tui.widgets.detail import facts_of
from hal0.tui.widgets.slots import cell_texts
from hal0.wire import SlotView
from tests.tui.samples import CPU, GIB, GPU0, MEMORY, NOW, SHARED_GPU, device, slot, state

GLYPHS = Look.of("hal0-dark").glyphs
GPU1 = device("gpu1", "gpu")
AUTO = slot("auto", device="auto", memory_bytes=GIB, gpu_bytes={"gpu10": GIB, "gpu1": 2 * GIB})
NAMED = slot("named", device="0", memory_bytes=GIB)
STOPPED = slot("stopped", "offline", device="auto", gpu_bytes={})
CPU_ONLY = slot("cpu-only", device="cpu", memory_bytes=3 * GIB)


def test_slots_that_chose_their_gpu_themselves_are_listed_under_it() -> None:
    store = Store()
    store.load(state(slots=[AUTO, NAMED, STOPPED, CPU_ONLY], devices=[CPU, MEMORY, GPU0, GPU1]))
    assert tenants(GPU0, store) == "named"
    assert tenants(GPU1, store) == "auto"
    assert tenants(CPU, store) == "cpu-only"


def test_what_a_slot_holds_of_its_gpus_stands_in_its_row_else_its_ram() -> None:
    quiet = Load(0, 0, None, None, decoding=False)

    def cells(of: SlotView) -> tuple[str, str]:
        texts = cell_texts(of, quiet, NOW, GLYPHS)
        return texts["device"][0], texts["memory"][0]

    assert cells(AUTO) == ("1,10", "3.0G")
    assert cells(NAMED) == ("0", "1.0G")
    assert cells(STOPPED)[0] == "auto"


def test_requests_do_not_change_since_when_a_slot_is_up() -> None:
    quiet = Load(0, 0, None, None, decoding=False)
    busy = slot("busy", "serving", since=NOW - 1, up_since=NOW - 7200)
    assert cell_texts(busy, quiet, NOW, GLYPHS)["since"][0] == "2h00"
    assert slot_facts.lasting(busy, NOW) == "up for 2h00"
    assert [sort.value(busy, quiet) for sort in SORTS if sort.title == "since"] == [NOW - 7200]
    assert cell_texts(slot("off", "offline", since=NOW - 5), quiet, NOW, GLYPHS)["since"][0] == "5s"


def test_a_slot_with_a_projector_is_told_as_one_that_sees() -> None:
    sees = slot("eyes", vision=True)
    assert cell_texts(sees, Load(0, 0, None, None, decoding=False), NOW, GLYPHS)["kind"][0] == "vision"
    assert dict(facts_of(sees, NOW))["kind"] == "vision"
    assert (CPU_ONLY.use, CPU_ONLY.kind, sees.kind) == ("chat", "chat", "chat")


def test_the_facts_of_a_slot_tell_each_gpu_and_ram() -> None:
    assert dict(facts_of(AUTO, NOW))["memory"] == "2.0G of gpu1, 1.0G of gpu10, 1.0G of RAM"
    assert dict(facts_of(CPU_ONLY, NOW))["memory"] == "3.0G"
    assert dict(slot_facts.facts(AUTO, NOW))["device"] == dict(facts_of(AUTO, NOW))["device"] == "1,10"
    assert places.memory_in_words(STOPPED) == ""


def test_a_gpu_tells_what_slots_hold_of_it() -> None:
    assert residents(SHARED_GPU, 40) == "slots: chat-l 12.2G"
    workers = [{"pid": 1, "memory_bytes": GIB, "slot": "a"}, {"pid": 2, "memory_bytes": GIB, "slot": "a"}]
    shy = [{"pid": 3, "slot": "b"}, {"pid": 4, "memory_bytes": GIB, "slot": "b"}]
    gpu = GPU0.model_validate(GPU0.model_dump() | {"processes": workers + shy})
    assert residents(gpu, 40) == "slots: a 2.0G, b -"
    assert residents(GPU0, 40) == ""
