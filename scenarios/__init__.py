"""The scenarios that ship with WordAround, as package data (YAML)."""
