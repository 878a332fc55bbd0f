"""What panes tell the application."""

from textual.message import Message


class Touched(Message):
    """The person did something with the mouse that changes the picture: paint now."""
