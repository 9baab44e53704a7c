"""The forgetting function: deletes what waits of events that the producer removed."""
