"""What `make demo` shows: a chain, two agents and a query engine, through TIR or through a local sandbox."""
