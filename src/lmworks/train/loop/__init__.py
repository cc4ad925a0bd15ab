"""The loop of a training: steps, optimizer, checkpoints, what is watched, and the verdict on it."""
