"""What bots say and when: bodies of messages and pauses between them, from the bot's own random streams."""

import random

_WORDS = (
    *("signal", "quorum", "lease", "epoch", "cursor", "harbor", "lantern", "meadow", "copper", "winter"),
    *("orchard", "river", "granite", "velvet", "compass", "thunder", "saffron", "pebble", "marble", "cinder"),
)
_FOREIGN = (
    "Grüße aus Köln",
    "こんにちは、世界",
    "Привет, мир",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "🦊🐻‍❄️ 👩🏽‍🚀",
    "e\u0301 is not é",
    "line one\nline two\ttabbed",
    'quotes " and \\ back\\slashes </script>',
    "zero\u200bwidth, no\u00a0break, \u2028 separator",
)
_LONG_WORDS = 300


class Chatter:
    """One bot's voice: `body` for the text after the token, `pause_s` until the next message."""

    def __init__(self, seed: int, messages_per_second: float) -> None:
        self._texts = random.Random(f"{seed}:texts")
        self._pace = random.Random(f"{seed}:pace")
        self._replies = random.Random(f"{seed}:replies")
        self._mean_s = 1 / messages_per_second if messages_per_second > 0 else None

    @property
    def is_silent(self) -> bool:
        """Whether this bot only listens."""
        return self._mean_s is None

    def first_pause_s(self) -> float:
        """Return the pause before the first message: anywhere in the first interval."""
        return (self._mean_s or 0.0) * self._pace.random()

    def pause_s(self) -> float:
        """Return the pause after a message: the mean interval, give or take half of it."""
        return (self._mean_s or 0.0) * self._pace.uniform(0.5, 1.5)

    def room(self, rooms: tuple[str, ...]) -> str:
        """Choose where to speak."""
        return self._pace.choice(rooms)

    def answers(self, share: float) -> bool:
        """Draw whether the next message answers another."""
        return self._replies.random() < share

    def body(self) -> str:
        """Return a body: mostly a few words, at times other scripts and signs, seldom a long one."""
        kind = self._texts.random()
        if kind < 0.75:
            return self._words(self._texts.randint(2, 12))
        if kind < 0.97:
            return f"{self._texts.choice(_FOREIGN)} {self._words(3)}"
        return self._words(self._texts.randint(50, _LONG_WORDS))

    def _words(self, count: int) -> str:
        return " ".join(self._texts.choices(_WORDS, k=count))
