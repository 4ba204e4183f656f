"""Requests, responses and streams as data. No I/O, no clock, no environment."""
