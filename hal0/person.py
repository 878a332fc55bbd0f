"""Who asks for a change, for the history of the configuration."""

import getpass


def person(program: str = "hal0") -> str:
    try:
        return f"{getpass.getuser()} ({program})"
    except (KeyError, OSError):  # a user without a name, as in containers
        return program
