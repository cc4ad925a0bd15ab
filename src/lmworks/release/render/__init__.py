"""What pages are made of: templates, tables, charts and words."""
