"""The faults, one a file: `available`, `inject`, `prove`, `heal`."""
