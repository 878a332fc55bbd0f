"""Numbers as people read them on a dashboard: short, of a known width, with their unit."""

import time
from collections.abc import Sequence

MISSING = "-"
NEAR_SECONDS = 20 * 3600  # what is older is told with its day


def size(value: int | None) -> str:
    """Bytes in at most five cells: `812M`, `5.1G`, `128G`."""
    if value is None:
        return MISSING
    amount = value / 2**20
    if amount < 0.95:
        return f"{max(value, 0) / 2**10:.0f}K"
    for unit in "MGT":
        if amount < 999.5 or unit == "T":
            return f"{amount:.1f}{unit}" if amount < 99.95 and unit != "M" else f"{amount:.0f}{unit}"
        amount /= 1024
    return MISSING


def pair(used: int | None, total: int | None) -> str:
    """Used and total bytes in one unit where that is possible: `5.1/24G`."""
    if used is None or total is None:
        return MISSING
    if total >= 2**30 and used >= 0.05 * 2**30:
        whole = total / 2**30
        return f"{used / 2**30:.1f}/{whole:.0f}G" if whole >= 9.95 else f"{used / 2**30:.1f}/{whole:.1f}G"
    return f"{size(used)}/{size(total)}"


def milliseconds(value: float | None) -> str:
    """A latency in at most five cells: `182ms`, `1.24s`, `72s`, `3m05`."""
    if value is None:
        return MISSING
    if value < 999.5:
        return f"{value:.0f}ms" if value >= 1 or value == 0 else "<1ms"
    if value < 9_995:
        return f"{value / 1000:.2f}s"
    if value < 99_950:
        return f"{value / 1000:.1f}s"
    return span(value / 1000)


def span(seconds: float) -> str:
    """A length of time in at most five cells: `12s`, `3m05`, `3h04`, `12d`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h" if days < 100 else f"{days}d"


def stopwatch(seconds: float) -> str:
    """How long something has taken, with a tenth while that matters: `12.4s`."""
    return f"{max(0.0, seconds):.1f}s" if seconds < 99.95 else span(seconds)


def rate(value: float | None) -> str:
    """Tokens per second in at most five cells: `61.4`, `1240`."""
    if value is None:
        return MISSING
    return f"{value:.1f}" if value < 999.95 else f"{value:.0f}"


def count(value: int) -> str:
    """A number in at most five cells: `763`, `12.4k`."""
    if value < 10_000:
        return str(value)
    return f"{value / 1000:.1f}k" if value < 999_950 else f"{value / 1_000_000:.1f}M"


def tokens_of(value: int | None) -> str:
    """A context size: `32k` for 32768, `4.1k` for 4200, `900`."""
    if value is None:
        return MISSING
    if value < 1000:
        return str(value)
    kilo = value / 1024 if value % 1024 == 0 else value / 1000
    return f"{kilo:.0f}k" if kilo >= 10 or kilo == int(kilo) else f"{kilo:.1f}k"


def dollars(value: float) -> str:
    """What something cost: `$0.0042`, `$0.31`, `$12.40`, `$1,204`."""
    if value >= 999.5:
        return f"${value:,.0f}"
    if value >= 0.1 or value == 0:
        return f"${value:.2f}"
    return f"${value:.4f}" if value >= 0.00005 else "<$0.0001"


def percent(fraction: float | None) -> str:
    """Always four cells, so that nothing moves: ` 97%`."""
    return f"{MISSING:>4}" if fraction is None else f"{min(max(fraction, 0.0), 9.99):4.0%}"


def clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def moment(at: float, now: float) -> str:
    """The time of day, for what is older with its day."""
    is_near = now - at < NEAR_SECONDS
    return clock(at) if is_near else time.strftime("%d %b %H:%M", time.localtime(at))


def hour_minute(at: float) -> str:
    return time.strftime("%H:%M", time.localtime(at))


def bar(fraction: float | None, width: int, steps: str, empty: str) -> tuple[str, str]:
    """A bar as its filled and its empty part; `steps` are the glyphs from least to full."""
    eighths = round(min(max(fraction or 0.0, 0.0), 1.0) * width * len(steps))
    full, part = divmod(eighths, len(steps))
    filled = steps[-1] * full + (steps[part - 1] if part else "")
    return filled, empty * (width - len(filled))


def spark(values: Sequence[float | None], steps: str) -> str:
    """One glyph per value in 0..1; a value not known is a space."""
    top = len(steps) - 1
    return "".join(
        " " if value is None else steps[min(top, int(min(max(value, 0.0), 1.0) * (top + 1)))] for value in values
    )


def graph(values: Sequence[float | None], height: int, steps: str) -> list[str]:
    """A graph of several rows: each row shows what of a value lies in its share of the height."""

    def cell(value: float | None, row: int) -> str:
        above = -1.0 if value is None else value * height - row
        return " " if above <= 0 and (row or value is None) else spark([above], steps)

    return ["".join(cell(value, row) for value in values) for row in range(height - 1, -1, -1)]
