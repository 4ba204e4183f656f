"""`make demo`: a chain, two agents, a query engine and a bulk run, on TIR or on a local sandbox."""
