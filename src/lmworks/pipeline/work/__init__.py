"""How units of work run: in processes, on Ray, in chunks that a kill costs one of."""
