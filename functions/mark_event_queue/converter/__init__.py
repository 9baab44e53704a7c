"""The converter function: stream records to batches, an execution of the state machine for each."""
