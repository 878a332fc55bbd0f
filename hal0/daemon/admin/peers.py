"""Who is at the other end of a TCP connection on this machine: the kernel's tables of sockets tell its user.

Only an established connection that a process holds counts: what is left of a closed one is listed as root's.
"""

import ipaddress
import sys
from pathlib import Path

PROC = Path("/proc")
ESTABLISHED = "01"

Address = tuple[str, int]


def user_of(peer: Address, here: Address, proc: Path = PROC) -> int | None:
    """The user id of the process that connected from `peer` to `here`; None if that cannot be told."""
    try:
        first, second = _ip(peer[0]), _ip(here[0])
    except ValueError:
        return None
    # IPv4 may be spoken through an IPv6 socket, and is then listed with those.
    tables = [("tcp6", _mapped(first), _mapped(second))]
    if first.version == second.version == 4:
        tables.insert(0, ("tcp", first.packed, second.packed))
    for name, local, remote in tables:
        row = f" {_written(local)}:{peer[1]:04X} {_written(remote)}:{here[1]:04X} {ESTABLISHED} "
        try:
            table = (proc / "net" / name).read_text("ascii")
        except (OSError, ValueError):
            continue
        user = _user_in(table, row)
        if user is not None:
            return user
    return None


def _user_in(table: str, row: str) -> int | None:
    _, found, rest = table.partition(row)
    fields = rest.partition("\n")[0].split()  # queues, timer, retransmits, uid, timeout, inode
    if not found or len(fields) < 6 or not fields[3].isdecimal() or fields[5] == "0":
        return None
    return int(fields[3])


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    parsed = ipaddress.ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _mapped(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def _written(packed: bytes) -> str:
    """As the kernel prints an address: words of the machine's own byte order."""
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
