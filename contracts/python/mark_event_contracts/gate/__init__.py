"""The very modules by which mark-event-queue writes events as JSON and judges them; the wheel brings them along."""
