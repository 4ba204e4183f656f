"""Requests, responses and streams as data. No I/O, no environment; only `retry_after` reads the clock."""
