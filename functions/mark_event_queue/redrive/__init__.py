"""The redrive function: delivers what is parked, in order, or gives it up, on record."""
