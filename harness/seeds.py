"""Seeds that come of a seed: who draws has a stream of its own, so that editing one reshuffles no other."""

import random

_SEEDS = 2**53  # what one draw of `random()` can tell apart


def seed_of(name: str) -> int:
    """Return the seed of the stream with that name, which begins with the seed that it comes of.

    The same on every Python: of its generator only `random()` is promised to stay as it is.
    """
    return int(random.Random(name).random() * _SEEDS)
