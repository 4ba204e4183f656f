"""The benchmark: what a chunk and a request cost with our packages and with others, measured in one run."""
