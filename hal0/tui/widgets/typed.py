"""What a person types into: what is pasted there, or taken from a list, reaches the terminal as harmless text."""

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import Input, TextArea

from hal0.tui.text import harmless


def harmless_strip(strip: Strip) -> Strip:
    """The same cells with every control made visible, in as many columns."""
    if all(text.isascii() and text.isprintable() for text, _, _ in strip):
        return strip
    return Strip(Segment(harmless(text), style) for text, style, _ in strip).adjust_cell_length(strip.cell_length)


class TypedLine(Input):
    """One line."""

    def render_line(self, y: int) -> Strip:
        return harmless_strip(super().render_line(y))


class TypedText(TextArea, inherit_bindings=False):
    """Several lines."""

    def render_line(self, y: int) -> Strip:
        return harmless_strip(super().render_line(y))
