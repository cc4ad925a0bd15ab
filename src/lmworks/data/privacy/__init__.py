"""Personal data: found by pattern and checksum, then dropped, redacted or replaced by consistent surrogates."""
