"""The exit codes of every command."""

OK = 0
FAILED = 1
"""The command ran, and a part of what it was asked for failed: the output says which."""
USAGE = 2
"""Wrong arguments, files or configuration. Nothing was sent; typer uses the same code."""
REFUSED = 3
"""The server did not accept the token, or does not know the project or the model (401, 403, 404)."""
UNREACHABLE = 4
"""The server could not be reached, or failed until the retries were used up."""
INTERRUPTED = 130
"""Ctrl-C, as shells report it."""
