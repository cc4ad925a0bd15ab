"""Which licences may enter, and what a mixture of them asks for."""
