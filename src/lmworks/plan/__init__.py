"""Decide and predict: what `auto` becomes on this machine, and what a build will take."""
