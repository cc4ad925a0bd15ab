"""Documents in shards, and the steps that read and write them."""
