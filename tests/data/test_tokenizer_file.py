"""Files of tokenizers that would make a short text fill the memory are refused before they are asked."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from lmworks.data.base.tokenizer_file import read_tokenizer
from lmworks.errors import LmworksError
from lmworks.tokens.tokenizer import open_tokenizer

Step = dict[str, Any]


def replace(pattern: Step, content: str) -> Step:
    return {"type": "Replace", "pattern": pattern, "content": content}


def written(folder: Path, **parts: Any) -> Path:
    facts = json.loads(Tokenizer(models.WordLevel({"<|endoftext|>": 0, "q": 1}, unk_token="q")).to_str())
    (folder / "tokenizer.json").write_text(json.dumps(facts | parts))
    (folder / "tokenizer_config.json").write_text("{}")
    return folder / "tokenizer.json"


def in_order(name: str, *steps: Step) -> Step:
    return {"type": "Sequence", name: list(steps)}


def mapped(*texts: str) -> Step:
    table = bytes(4) + "".join(f"{text}\0" for text in texts).encode()
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


TWICE = replace({"String": "q"}, "qq")
BOTH = [{"Sequence": {"id": "A", "type_id": 0}}] * 300
LONG: dict[str, Step] = {
    "a long text for one character": {"normalizer": replace({"String": "q"}, "q" * 1000)},
    "steps that double": {"normalizer": in_order("normalizers", *[TWICE] * 9)},
    "steps in steps": {"normalizer": in_order("normalizers", *[in_order("normalizers", TWICE, TWICE, TWICE)] * 3)},
    "an expression that matches nothing": {"normalizer": in_order("normalizers", *[replace({"Regex": ""}, "q")] * 9)},
    "no type": {"normalizer": {"pattern": {"String": "q"}, "content": "q" * 1000}},
    "a long text before": {"normalizer": {"type": "Prepend", "prepend": "q" * 1000}},
    "a table": {"normalizer": mapped("q", "q" * 1000)},
    "bytes of bytes": {"normalizer": in_order("normalizers", *[{"type": "ByteLevel"}] * 5)},
    "a decoder": {"decoder": in_order("decoders", *[TWICE] * 9)},
    "a template": {"post_processor": {"type": "TemplateProcessing", "single": BOTH, "pair": [], "special_tokens": {}}},
}


@pytest.mark.parametrize("parts", LONG.values(), ids=LONG)
def test_steps_that_make_a_text_many_times_as_long_are_refused(parts: Step, tmp_path: Path) -> None:
    path = written(tmp_path, **parts)
    (part,) = parts
    for read in (lambda: read_tokenizer(path), lambda: open_tokenizer(tmp_path)):
        with pytest.raises(LmworksError, match=rf"tokenizer\.json: its .*{part}.* can make a text .* expected at most"):
            read()


def test_what_published_tokenizers_do_is_read(tmp_path: Path) -> None:
    """As ALBERT, XLM-R, Llama 2 and GPT-2 have it, one after the other."""
    space = replace({"Regex": " {2,}"}, "▁")
    quotes, forms = replace({"String": "``"}, '"'), [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    for parts in (
        {"normalizer": in_order("normalizers", quotes, *forms, space), "pre_tokenizer": metaspace},
        {"normalizer": in_order("normalizers", {"type": "Prepend", "prepend": "▁"}, replace({"String": " "}, "▁"))},
        {"pre_tokenizer": level, "decoder": level, "post_processor": None},
    ):
        read_tokenizer(written(tmp_path, **parts)).encode("a text")
