"""The training loop: steps, optimizer, checkpoints, live values, and the verdict on the run."""
