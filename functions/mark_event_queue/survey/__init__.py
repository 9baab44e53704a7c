"""The survey function: measures what is held back, for metrics and alarms."""
