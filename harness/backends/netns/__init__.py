"""What runs in a member's network namespace: in the helper's container, from the standard library alone."""
