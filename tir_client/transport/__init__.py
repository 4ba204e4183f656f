"""The I/O part of the client: HTTP clients, timeouts, retries and response bodies."""
