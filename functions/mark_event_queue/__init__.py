"""mark-event-queue: every event of a DynamoDB stream to every client's own FIFO queue, in order and valid."""
