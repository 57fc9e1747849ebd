"""WordAround's harness: start a cluster, drive it with bots, inject faults, judge what the bots saw."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("wordaround")
except PackageNotFoundError:  # A source tree that was never installed.
    __version__ = "0+unknown"
