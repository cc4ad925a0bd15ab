"""The decoder: what it computes, what it costs, and its folder on disk."""
