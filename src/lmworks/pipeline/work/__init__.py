"""Ways to run units of work: in processes, on Ray, or in chunks, of which a kill loses only one."""
