"""One kind of each group that a package can add."""
