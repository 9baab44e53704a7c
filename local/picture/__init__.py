"""The picture that `make demo` leaves: one page of what came when, what waited and why, and the executions' paths."""
