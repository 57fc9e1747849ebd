"""The codes of negative acknowledgements, and what a sender does about each."""

# No repetition mends these: the sender gives the message up.
GIVE_UP = frozenset(
    {"bad_request", "room_invalid", "text_too_long", "unauthorized", "key_reused", "result_expired"}
)
LEAVES_NO_GAP = frozenset({"key_reused", "result_expired"})  # the cluster has used this n already
RETRY = frozenset({"store_unavailable", "draining", "rate_limited", "not_joined"})  # the same again, later
OUT_OF_ORDER = "out_of_order"  # from the expected n on again
