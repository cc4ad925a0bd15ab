"""Search for the files that reached a model, and for the training texts that an answer resembles."""
