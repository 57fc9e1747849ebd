"""Benchmarks: programs that print ratios measured in one run on one machine (docs/benchmarks.md)."""
