"""Comparing secrets."""

import hmac


def same_secret(given: bytes, expected: str) -> bool:
    """Compare in constant time, so that how long an answer takes tells nothing about the secret."""
    return hmac.compare_digest(given, expected.encode())
