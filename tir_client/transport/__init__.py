"""The half of the client that waits: HTTP clients, timeouts, retries, and the bodies of responses."""
