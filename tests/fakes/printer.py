"""A program that prints: `printer.py LINES RATE` writes numbered lines of 80 bytes, each by itself, RATE a second.

Where its reader is slower than that it is as fast as its reader. When it has printed all it stays, until it is ended.
"""

import os
import sys
import time

TEXT = b"slot update_slots: id  0 | task 17 | prompt processing progress, n = %011d\n"


def main() -> None:
    lines, rate = int(sys.argv[1]), int(sys.argv[2])
    began, done = time.monotonic(), 0
    while done < lines:
        due = min(lines, int((time.monotonic() - began) * rate))
        while done < due:
            os.write(1, TEXT % done)
            done += 1
        time.sleep(0.0005)
    os.write(1, b"all is printed\n")
    time.sleep(3600)


if __name__ == "__main__":
    main()
