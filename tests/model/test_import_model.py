from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    CohereConfig,
    CohereForCausalLM,
)

from lmworks.errors import LmworksError, UsageError
from lmworks.model.folder import load_model
from lmworks.model.pretrained import FRAME, PretrainedModelConfig, import_model
from lmworks.tokens.tokenizer import CHAT_TEMPLATE, open_tokenizer
from published import FAMILIES, SIZES, take, write_published
from support import make_context


@pytest.mark.parametrize("family", FAMILIES)
def test_a_decoder_of_others_gets_our_tokens_and_says_the_same(family: str, tmp_path: Path) -> None:
    source = write_published(tmp_path / "source", family)
    both = family == "GPT-2"
    assert take(source, tmp_path / "out")["tokens added"] == (2 if both else 1)
    tokenizer = open_tokenizer(tmp_path / "out")
    assert tokenizer.end_of_text_id == 0, "a document begins as it did"
    before, after = (AutoModelForCausalLM.from_pretrained(tmp_path / name).eval() for name in ("source", "out"))
    ids = torch.tensor([[0, *tokenizer.encode("This operation returns a list")]])
    with torch.no_grad():
        expected, found = before(ids).logits, after(ids).logits
    assert torch.equal(found[..., : expected.shape[-1]], expected)
    assert torch.equal(found[..., tokenizer.end_of_turn_id], expected[..., 0 if both else 1]), (
        "an answer ends as it did"
    )
    theirs = CHAT_TEMPLATE if both else CHAT_TEMPLATE.replace("<|endoftext|>", "<s>").replace("<|im_end|>", "</s>")
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["chat_template"] == theirs
    assert tokenizer.decode(tokenizer.encode("<s> is text")) == "<s> is text"
    if family.startswith("Llama"):
        assert load_model(tmp_path / "out").config.vocab_size == tokenizer.vocab_size


@pytest.mark.parametrize(
    ("turn", "refused"),
    [
        ("<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n", ""),
        ("{% if loop.first %}{{ bos_token }}{% endif %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>", ""),
        ("<|im_start|>{{ m['role'] }}\n{{ m['content'] }}</s>\n", ""),
        ("<|im_start|>{{ m['role'] }}\n{{ m['content'] }}\n", "no special token after an answer"),
        ("<|im_start|>{{ m['role'] }}\n{{ m['content'][:4] }}</s>\n", "leaves words out"),
        ("{{ raise_exception('no') }}", "rejects these turns, and says 'no'"),
        (
            "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% if loop.index > 4 %}"
            "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}{% endif %}",
            "more than [0-9,]+ steps",
        ),
    ],
)
def test_a_chat_template_is_kept_as_it_is_or_refused_with_the_reason(turn: str, refused: str, tmp_path: Path) -> None:
    source = write_published(tmp_path / "source", "Llama")
    asking = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    template = "{% for m in messages %}" + turn + "{% endfor %}" + asking
    (source / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    if refused:
        with pytest.raises(LmworksError, match=refused):
            take(source, tmp_path / "out")
    else:
        take(source, tmp_path / "out")
        assert open_tokenizer(tmp_path / "out").chat_template == template


def test_a_base_without_a_chat_template_is_told_to_be_asked_in_a_frame_that_it_never_saw(tmp_path: Path) -> None:
    write_published(tmp_path / "source", "Llama")
    config = PretrainedModelConfig(path="source", licence="MIT").resolve(tmp_path)
    result = import_model(config, out=tmp_path / "out", context=make_context(tmp_path / "a"))
    (told,) = result.examples
    assert told["reason"] == FRAME and "came without a chat template" in told["text"]
    config = PretrainedModelConfig(path="out", licence="MIT").resolve(tmp_path)
    assert not import_model(config, out=tmp_path / "again", context=make_context(tmp_path / "b")).examples


def test_a_decoder_that_has_our_tokens_is_copied_byte_for_byte(tmp_path: Path) -> None:
    take(write_published(tmp_path / "source", "Llama"), tmp_path / "out")
    assert take(tmp_path / "out", tmp_path / "again")["tokens added"] == 0
    for path in (tmp_path / "out").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_other_families_are_copied_as_they_are(tmp_path: Path) -> None:
    BertModel(BertConfig(vocab_size=40, **SIZES)).save_pretrained(tmp_path / "source")
    (tmp_path / "source" / "tokenizer.json").write_text("{}")
    (tmp_path / "source" / "modeling_bert.py").write_text("raise SystemExit")
    take(tmp_path / "source", tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json"}, "no code of others comes along"


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    source = write_published(tmp_path / "source", "GPT-2")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"model_type": "gpt99"}))
    with pytest.raises(LmworksError, match=r"'gpt99'; known are llama, mistral"):
        take(source, tmp_path / "out")
    (source / "config.json").write_text(json.dumps(config))
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"pickled .bin and .pt files are never read"):
        take(source, tmp_path / "out")


def test_logits_that_are_more_than_a_product_are_refused(tmp_path: Path) -> None:
    write_published(tmp_path / "source", "Llama")
    config = CohereConfig(vocab_size=320, bos_token_id=0, eos_token_id=1, pad_token_id=0, **SIZES)
    CohereForCausalLM(config).save_pretrained(tmp_path / "source")
    with pytest.raises(LmworksError, match="capped, scaled or"):
        take(tmp_path / "source", tmp_path / "out")
