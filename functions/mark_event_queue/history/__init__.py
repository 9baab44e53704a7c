"""The history function: brings a client the events of the time before it joined, from the producer's table."""
