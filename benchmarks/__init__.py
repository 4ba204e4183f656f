"""The benchmark: what a chunk and a request cost with our packages and with others, in one run (`python -m benchmarks`)."""
