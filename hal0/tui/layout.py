"""How high the parts of the home screen are: a pure sum over the terminal's rows."""

from dataclasses import dataclass

LARGE_COLUMNS = 110  # from here panes are boxes, and there are two streams
HUGE_COLUMNS = 170  # from here the detail stands beside the table, and there are three streams
MANY_ROWS = 30
TALL_ROWS = 45  # from here also the devices may stand side by side, over the lanes
SMALL_COLUMNS = 60  # below either of these one pane has the screen
SMALL_ROWS = 14


@dataclass(frozen=True, slots=True)
class Heights:
    """Rows of the parts; the streams get what is left."""

    devices: int
    table: int


def is_small(columns: int, rows: int) -> bool:
    """Whether there is room for one pane only."""
    return columns < SMALL_COLUMNS or rows < SMALL_ROWS


def is_boxed(columns: int, rows: int) -> bool:
    return columns >= LARGE_COLUMNS and rows >= MANY_ROWS


def has_room_for_boxes_of_devices(columns: int, rows: int) -> bool:
    return columns >= HUGE_COLUMNS and rows >= TALL_ROWS


def stream_count(columns: int, rows: int) -> int:
    if not is_boxed(columns, rows):
        return 1
    return 3 if columns >= HUGE_COLUMNS else 2


def heights(rows: int, *, slots: int, slot_chrome: int, devices: int, lanes: int, detail: int) -> Heights:
    """Divide the rows between the first line and the footer: devices, as many slots as fit in half, the streams."""
    body = rows - 2
    top = min(max(devices, lanes), max(1, -(-body // 3)))
    rest = body - top
    wanted = max(slot_chrome + max(1, slots), detail)
    return Heights(top, max(slot_chrome + 1, min(wanted, rest // 2 + rest % 2)))
