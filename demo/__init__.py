"""`make demo`: a chain, two agents and a query engine, with TIR or with a local sandbox."""
