"""Who gives a command, for the history of the configuration."""

import getpass


def person() -> str:
    try:
        return f"{getpass.getuser()} (hal0)"
    except (KeyError, OSError):  # a user without a name, as in containers
        return "hal0"
