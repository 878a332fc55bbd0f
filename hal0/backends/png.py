"""PNG files without what programs write into them besides the picture. Pure.

ComfyUI puts the whole workflow with the prompt into text chunks; others put in places and times. Only chunks that the
picture looks otherwise without are kept (https://www.w3.org/TR/png-3/); the picture itself is not touched.
"""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs acTL fcTL fdAT".split(b" ")
)
LAST = b"IEND"
AROUND = 12  # bytes of a chunk besides its data: length, type, checksum


def stripped(data: bytes) -> bytes:
    """The picture alone; raises ValueError if this is no whole PNG file."""
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    parts, at = [SIGNATURE], len(SIGNATURE)
    while at + AROUND <= len(data):
        end = at + AROUND + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data):
            break
        if kind in KEPT:
            parts.append(data[at:end])
        if kind == LAST:
            return b"".join(parts)
        at = end
    raise ValueError("a PNG file that is cut short")
