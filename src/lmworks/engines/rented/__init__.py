"""Models at an OpenAI-compatible address: what they are asked, and the engine that answers by what they answered."""
