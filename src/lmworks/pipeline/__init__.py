"""How anything runs: stages, store, locks, lineage and progress."""
