"""The pure half of the client: requests, responses and streams as data. No I/O, no clock, no environment."""
