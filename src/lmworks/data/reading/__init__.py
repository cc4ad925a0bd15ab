"""The first step: files are listed, read and kept as documents."""
