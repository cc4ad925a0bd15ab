"""Erasure by content: values that were erased, known by keyed digests alone, and what of a store holds them."""
