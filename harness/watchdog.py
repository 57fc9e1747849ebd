"""`python -P -m harness.watchdog CLAIM`: cleans up after a run whose harness died, `kill -9` included.

It is started with the claim and does nothing but read from its owner, who says a word when all was ended
in order. The end of the pipe without that word means that the owner is dead, or gave up. Until then it has
imported next to nothing: one process that sleeps, and costs no run anything.

It has a session of its own, and ignores the signals by which people and service managers ask to end: they
also reach the owner, who cleans up and then lets it go. Only SIGKILL ends it; then `wordaround heal` remains.
"""

import signal
import sys

RELEASED = b"released\n"  # what the owner says before it goes in order
GAVE_UP = b"gave up "  # and then why: it leaves the rest to the watchdog

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main(arguments: list[str]) -> int:
    """Wait for the owner's end; returns 0 when nothing is left of the run, 4 when something is."""
    for number in _IGNORED:
        signal.signal(number, lambda number, frame: None)  # SIG_IGN would be inherited by undo commands.
    [claim] = arguments
    word = sys.stdin.buffer.read()
    if word == RELEASED:
        return 0
    return _heal(claim, word.removeprefix(GAVE_UP).decode() if word.startswith(GAVE_UP) else "")


def _heal(claim: str, why: str) -> int:
    from harness.healing.after_death import heal_after_death  # All that is needed only now.

    return heal_after_death(claim, why)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
