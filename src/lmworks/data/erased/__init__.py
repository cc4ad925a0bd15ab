"""Values that were erased: the lists that keep them out of every build, and the search by keyed digests."""
