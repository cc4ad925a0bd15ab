"""Parts of pages: templates, tables, charts and words."""
