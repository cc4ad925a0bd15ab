"""Text to tokens: tokenizers and packed rows."""
