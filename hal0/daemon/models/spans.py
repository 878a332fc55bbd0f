"""Which bytes of a file are there: sorted spans that do not touch, each from its first byte to before its end. Pure."""

from collections.abc import Iterable, Iterator

Span = tuple[int, int]


def added(spans: Iterable[Span], new: Span) -> list[Span]:
    """The spans with another one; those that touch become one."""
    result: list[Span] = []
    for start, end in sorted([*spans, new]):
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def missing(spans: Iterable[Span], size: int) -> list[Span]:
    """What is not there yet of a file of this size."""
    gaps, at = [], 0
    for start, end in sorted(spans):
        if start > at:
            gaps.append((at, min(start, size)))
        at = max(at, end)
    if at < size:
        gaps.append((at, size))
    return [(start, end) for start, end in gaps if start < end]


def count(spans: Iterable[Span]) -> int:
    """Bytes that are there."""
    return sum(end - start for start, end in spans)


def pieces(gaps: Iterable[Span], longest: int) -> Iterator[Span]:
    """The gaps, none longer than this."""
    for start, end in gaps:
        while start < end:
            yield start, min(start + longest, end)
            start += longest
