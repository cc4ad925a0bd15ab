"""One trainer; objectives, optimizer, schedule and checkpoints are its parts."""
