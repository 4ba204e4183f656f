"""HTTP clients, timeouts, retries, and the bodies of responses: the part of the client that does I/O."""
