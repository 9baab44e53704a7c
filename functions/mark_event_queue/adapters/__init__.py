"""The ports to AWS: one module per service, which turns its errors into the project's own."""
