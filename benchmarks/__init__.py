"""Our cost per chunk and per request beside the peers', measured in one run: `python -m benchmarks`."""
