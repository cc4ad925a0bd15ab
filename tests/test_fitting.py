"""What does not fit together in a recipe is told when it is read, with its line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from lmworks.errors import LmworksError, UsageError
from lmworks.graph import CLASSES, make_nodes
from lmworks.lazy import np
from lmworks.model.folder import family_of
from lmworks.plan.plan import make_plan
from lmworks.recipe.file import load_recipe
from lmworks.recipe.schema import Recipe

RECIPE = """\
name: small
use_case: fitting
data:
  texts: {kind: ingest, sources: [{kind: files, path: texts, licence: MIT}], licences: {allow: [permissive]}}
tokenizer: {kind: bpe, vocab_size: 400, from: texts}
models:
  theirs: {objective: pretrained, path: PATH, licence: MIT}
  lm: {objective: causal-lm, from: scratch, data: texts, hidden_size: 64, num_layers: 1, sequence_length: 128}
  tuned: {objective: sft, from: lm, data: texts, sequence_length: 128}
  judge: {objective: reward, from: tuned, data: texts, sequence_length: 128}
  enc: {objective: masked-lm, from: scratch, data: texts, hidden_size: 64, num_layers: 1, sequence_length: 64}
  sorter: {objective: sequence-classification, from: enc, data: texts, sequence_length: 64}
  tagger: {objective: token-classification, from: enc, data: texts, sequence_length: 64}
  t5: {objective: text-to-text, from: scratch, data: texts, hidden_size: 64, num_heads: 2, sequence_length: 96}
"""
ALL = "lm, judge, enc, sorter, tagger, t5"


def published(folder: Path, kind: str, *architectures: str, positions: int = 96) -> None:
    """The files of a model that others have published, as far as a recipe is checked by them."""
    folder.mkdir()
    save_file({"weight": np.zeros(1, np.float32)}, folder / "model.safetensors")
    sizes = {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    fields = {"model_type": kind, "architectures": architectures, "is_encoder_decoder": kind == "t5", **sizes}
    if kind != "t5":
        fields |= {"max_position_embeddings": positions, "intermediate_size": 96, "rms_norm_eps": 1e-6}
    (folder / "config.json").write_text(json.dumps(fields))


def load(folder: Path, *settings: str, until: str | None = None) -> Recipe:
    published(folder / "decoder", "llama", "LlamaForCausalLM")
    published(folder / "encoder", "bert", "BertForMaskedLM")
    published(folder / "t5", "t5", "T5ForConditionalGeneration")
    (folder / "recipe.yaml").write_text(RECIPE.replace("PATH", "decoder"))
    return load_recipe(folder / "recipe.yaml", CLASSES, settings, until)


def asked(task: str, models: str = ALL) -> str:
    return f"evaluate={{models: [{models}], tasks: [{task}]}}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["judge.sequence_length=256"],
            "10: models.judge.sequence_length: found 256, expected at most 128, which is all that tuned reads: lower "
            "it, or raise sequence_length of lm, from which tuned was trained, to 256",
        ),
        (["tuned.sequence_length=256", "judge.sequence_length=64"], "9: models.tuned.sequence_length: found 256"),
        (["sorter.sequence_length=65"], "12: models.sorter.sequence_length: found 65, expected at most 64, which"),
        (
            ["tuned.from=theirs", "models.theirs.path=decoder"],
            "9: models.tuned.sequence_length: found 128, expected at most 96, which is all that theirs reads: lower "
            "it, or start from a model that reads more",
        ),
        (["sorter.from=theirs", "theirs.path=encoder", "sorter.sequence_length=97"], "found 97, expected at most 96"),
        (
            [asked("{kind: preference-accuracy, data: texts}", "sorter, enc")],
            "evaluate.models: found sorter (sequence classifier), enc (encoder); the task preference-accuracy needs "
            "a decoder or a reward model. Name such a model, or leave the task out",
        ),
        (
            [asked("{kind: preference-accuracy, data: texts, reference: lm}", "lm")],
            "evaluate.tasks.0.reference: found lm; none of lm was trained from it, so figures relative to it mean",
        ),
        (
            [asked("{kind: preference-accuracy, data: texts, reference: sorter}", "lm")],
            "evaluate.tasks.0.reference: found sorter, a sequence classifier; expected a decoder",
        ),
        (
            [asked("{kind: perplexity, data: texts}", "t5")],
            "evaluate.models: found t5 (encoder-decoder); the task perp",
        ),
        (
            [asked("{kind: perplexity, data: texts}", "theirs"), "theirs.path=encoder"],
            "evaluate.models: found theirs (encoder); the task perplexity needs a decoder",
        ),
        (
            [asked("{kind: judged-answers, data: texts, judge: tuned}")],
            "evaluate.tasks.0.judge: found tuned, a decoder; expected a reward model",
        ),
        (
            ["data.said={kind: answers, model: t5, data: texts}"],
            "data.said.model: found t5, an encoder-decoder; expected",
        ),
        (
            ["data.masked={kind: anonymise, from: texts, model: sorter}"],
            "sorter, a sequence classifier; expected a token c",
        ),
        (["models.again={objective: sft, from: judge, data: texts}"], "models.again.from: found judge, a reward model"),
        (
            ["tuned.from=theirs", "theirs.path=t5"],
            "models.tuned.from: found theirs, an encoder-decoder; expected a decoder",
        ),
        (
            ["models.again={objective: text-to-text, from: lm, data: texts}"],
            "again.from: found lm, a decoder; expected an",
        ),
        (["tagger.from=lm"], "models.tagger.from: found lm, a decoder; expected an encoder"),
        (
            ["models.learn={objective: distillation, from: lm, data: texts, teacher: texts}"],
            "models.learn.teacher: found texts, which is not a model; expected a decoder",
        ),
        (
            ["models.learn={objective: distillation, from: lm, data: texts, teacher: judge}"],
            "models.learn.teacher: found judge, a reward model; expected a decoder",
        ),
        (
            ["models.spans={objective: span-corruption, from: scratch, data: texts, sequence_length: 2000}"],
            "too many for 100 sentinels: set",
        ),
        (
            [asked("{kind: perplexity, data: texts, stride: 128}", "lm")],
            "tasks.0.stride: found 128; expected less than 128",
        ),
        (
            [asked("{kind: perplexity, data: texts, context_length: 9, stride: 9}", "lm")],
            "stride: found 9; expected less",
        ),
    ],
)
def test_what_does_not_fit_is_told_when_the_recipe_is_read(tmp_path: Path, settings: list[str], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        load(tmp_path, *settings)
    assert said in str(raised.value) and str(raised.value).startswith(str(tmp_path / "recipe.yaml"))


@pytest.mark.parametrize(
    "settings",
    [
        [asked(f"{{kind: {kind}, data: texts}}")]
        for kind in ("perplexity", "classification", "extraction", "preference-accuracy", "text-to-text")
    ]
    + [
        ["sorter.from=theirs", "theirs.path=encoder"],
        ["sorter.from=lm"],
        ["t5.from=theirs", "theirs.path=t5", "t5.tokenizer=theirs", "t5.sequence_length=4096"],
        ["tuned.from=theirs", "theirs.path=nowhere"],
        ["models.learn={objective: distillation, from: lm, data: texts, teacher: theirs, sequence_length: 64}"],
        [asked("{kind: judged-answers, data: texts, judge: judge}")],
        [asked("{kind: perplexity, data: texts}", "theirs")],
    ],
)
def test_what_fits_is_read(tmp_path: Path, settings: list[str]) -> None:
    load(tmp_path, *settings)


def test_files_of_a_base_that_cannot_be_read_are_not_told_of_when_a_recipe_is_read(tmp_path: Path) -> None:
    (tmp_path / "base.gguf").write_bytes(b"GGUF, cut short")
    load(tmp_path, "tuned.from=theirs", "theirs.path=base.gguf", asked("{kind: perplexity, data: texts}", "theirs"))


def test_labels_without_numbers_are_told_with_their_file_and_stop_no_recipe(tmp_path: Path) -> None:
    published(tmp_path / "theirs", "llama", "LlamaForSequenceClassification")
    file = tmp_path / "theirs" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "id2label": {"good": "good"}}))
    with pytest.raises(LmworksError, match=f"{file}: .*expected"):
        family_of(file.parent)
    assert load(tmp_path, "models.theirs.path=theirs").name == "small"


def test_what_does_not_fit_behind_a_step_keeps_nobody_from_building_it(tmp_path: Path) -> None:
    settings = ["models.again={objective: sft, from: judge, data: texts}"]
    for until in ("lm", "judge/data"):
        (tmp_path / until).mkdir(parents=True)
        load(tmp_path / until, *settings, until=until)
    with pytest.raises(UsageError, match="found judge, a reward model"):
        load(tmp_path, *settings, until="again")


WRONG_KINDS = {
    "normalise: {kind: normalise, from: chats}": r"'chats' makes conversations; this step reads documents.*ingest",
    "judged: {kind: preferences, from: chats}": r"judged: 'chats' makes conversations; this step reads documents",
}


@pytest.mark.parametrize("step", WRONG_KINDS)
def test_conversations_are_no_documents(tmp_path: Path, step: str) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.jsonl").write_text('{"prompt": "Rain?", "completion": "Water, from above."}\n')
    (tmp_path / "recipe.yaml").write_text(
        "name: kinds\nuse_case: none\ndata:\n"
        "  raw: {kind: ingest, sources: [{kind: files, path: rows, licence: MIT, fields: all}],"
        " licences: {allow: [permissive]}}\n"
        f"  chats: {{kind: conversations, from: raw}}\n  {step}\n"
    )
    with pytest.raises(UsageError, match=WRONG_KINDS[step]):
        recipe = load_recipe(tmp_path / "recipe.yaml", CLASSES)
        make_nodes(recipe, make_plan(recipe, tmp_path, tmp_path / "store", measure=False), tmp_path)
