"""Training on several processes, devices and nodes."""
