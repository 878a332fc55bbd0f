"""What a filter lets through. Pure."""


def fits(expression: str, text: str) -> bool:
    """Whether a text has every word of a filter, and none that stands behind a `!`."""
    folded = text.casefold()
    words = expression.casefold().split()
    return all((word[1:] not in folded) if word[:1] == "!" and word[1:] else word in folded for word in words)
