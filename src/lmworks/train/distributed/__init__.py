"""Several processes, devices and nodes."""
