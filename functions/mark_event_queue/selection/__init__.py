"""The selection function: which events of a batch go to a client now, which wait, which it does not want."""
