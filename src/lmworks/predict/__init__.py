"""Predictions for every row of a file. JSONL, CSV, TSV and Parquet keep their format, with columns added."""
