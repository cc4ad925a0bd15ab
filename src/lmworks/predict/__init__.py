"""A model asked of every row of a file: JSONL, CSV, TSV or Parquet in, the same with its answers out."""
