"""libfaketime, as members are started with it: what shifts their wall clock and leaves the monotonic one."""

LIBRARY = "libfaketimeMT.so.1"  # The one for programs with threads.

# Behind it, so that the C library's malloc is taken and not jemalloc, which Debian's Redis is linked with:
# that one looks at the clock while it begins, and the library allocates while it begins, without an end.
_C_LIBRARY = "libc.so.6"


def settings(library: str, file: str) -> dict[str, str]:
    """Return the environment in which a program reads its clock's offset from `file`, at each look."""
    return {
        "LD_PRELOAD": f"{library}:{_C_LIBRARY}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_TIMESTAMP_FILE": file,
        # Else each wait for a condition with a deadline of the monotonic clock, as Python's threads hand over
        # to each other by, becomes a busy one until it times out (libfaketime 0.9.10).
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        "FAKETIME_NO_CACHE": "1",
        "NO_FAKE_STAT": "1",  # The files' times are the disk's, not the clock's.
    }
