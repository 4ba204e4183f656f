"""The benchmark: measures the cost of chunks and requests with our packages and with others in one run."""
