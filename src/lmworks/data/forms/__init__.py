"""What of a record in a published form becomes what."""
