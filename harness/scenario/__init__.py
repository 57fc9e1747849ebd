"""The scenario language: YAML in, a frozen `Scenario` out, all errors at once."""
