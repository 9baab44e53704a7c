"""A consumer of mark-event-queue that reads its queue as one should; copy it, and change what it keeps."""
