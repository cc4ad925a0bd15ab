"""Settings of a tokenizer folder, as `transformers` and other programs write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lmworks.errors import told
from lmworks.lazy import tokenizers

TEMPLATE_FILE = "chat_template.jinja"
"""File of the chat template in published folders. It is preferred to the template in the settings."""
UNKNOWN = "<unk>"
"""Token for text that a tokenizer cannot encode. It is id 3 in tokenizers that lmworks trains."""


def read_template(folder: Path, settings: Mapping[str, Any]) -> Any:
    """Return the chat template of a folder with these settings. None if it has none, the default if it has several."""
    if (own := folder / TEMPLATE_FILE).is_file():
        with told(own, "a template in UTF-8"):
            return own.read_text(encoding="utf-8")
    found = settings.get("chat_template")
    if not isinstance(found, list):
        return found
    named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
    return named.get("default", found)


def text_of(setting: Any) -> Any:
    """Return the text of a special token. Settings hold this text alone, or in a mapping with rules for finding it."""
    return setting.get("content") if isinstance(setting, Mapping) else setting


def unknown_token(backend: tokenizers.Tokenizer) -> str:
    """Return the name of the token for what cannot be encoded. Models of type Unigram do not state theirs."""
    return getattr(backend.model, "unk_token", None) or UNKNOWN
