from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from corpora import THINGS, texts
from encoders import SMALL, TASKS, labelled, pack, tune
from lmworks.engines.open import open_engine
from lmworks.errors import LmworksError, Stopped, UsageError
from lmworks.model.folder import ModelFolder
from lmworks.model.shapes import EncoderConfig
from lmworks.rewards import Answer
from lmworks.rewards.models import ClassifierReward
from lmworks.tokens.kinds.frame import frame_of
from lmworks.tokens.kinds.pretrained import PretrainedConfig, pretrained
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.families.encoder import HIDDEN, PLACES
from lmworks.train.objectives import objective_of
from support import MemoryJournal, make_context, reading

ARCHITECTURES = ("bert", "modernbert")
AUTO = {
    "masked-lm": transformers.AutoModelForMaskedLM,
    "sequence-classification": transformers.AutoModelForSequenceClassification,
    "token-classification": transformers.AutoModelForTokenClassification,
}


@pytest.fixture(scope="module")
def rows(folder: Path, tokenizer: TokenizerFolder) -> dict[str, Shards]:
    documents = labelled(folder / "documents")
    return {objective: pack(folder / objective, objective, documents, tokenizer)[0] for objective in TASKS}


@pytest.fixture(scope="module")
def bases(folder: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards]) -> dict[str, ModelFolder]:
    return {
        kind: tune(folder / kind, "masked-lm", None, rows["masked-lm"], tokenizer, architecture=kind)
        for kind in ARCHITECTURES
    }


def history(model: ModelFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (model.path / "history.jsonl").read_text().splitlines()]


def packed_logits(
    objective: str, base: ModelFolder, rows: Shards, tokenizer: TokenizerFolder
) -> list[tuple[list[int], torch.Tensor]]:
    """Each text of the first rows, and what our computation in packed rows says at every position of it."""
    kind, opened = objective_of(objective), tokenizer.open()
    config = TASKS[objective][0].model_validate({**SMALL, "from": "x"})
    made: Any = kind(rows.open(), reading(4))
    model: Any = made.begin(config, base, rows.open(), opened, compiled=False)
    model.learn(False, label_smoothing=0.0)
    tokens = torch.from_numpy(rows.open().tokens[:4, :-1].astype(np.int64))
    batch = dataclasses.replace(made.measured(4), tokens=tokens)
    frame, found = frame_of(opened), []
    with torch.no_grad():
        hidden = model.hidden(batch)
        for row, states in zip(tokens.tolist(), hidden, strict=True):
            begins = [place for place, token in enumerate(row) if token in (frame.begin, frame.pad)]
            for begin, end in zip(begins, [*begins[1:], len(row)], strict=True):
                if row[begin] == frame.begin and end - begin > 1:
                    found.append((row[begin:end], model.head(model.model, states[begin:end])))
    return found


@pytest.mark.parametrize("objective", TASKS)
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_transformers_says_the_same_of_a_text_alone_as_we_in_a_packed_row(
    tmp_path: Path,
    tokenizer: TokenizerFolder,
    rows: dict[str, Shards],
    bases: dict[str, ModelFolder],
    kind: str,
    objective: str,
) -> None:
    model = bases[kind]
    if objective != "masked-lm":
        model = tune(tmp_path, objective, model, rows[objective], tokenizer)
    theirs = AUTO[objective].from_pretrained(model.path, local_files_only=True).eval()
    for ids, ours in packed_logits(objective, model, rows[objective], tokenizer)[:8]:
        with torch.no_grad():
            logits = theirs(input_ids=torch.tensor([ids])).logits[0]
        expected, found = (logits, ours[0]) if objective.startswith("sequence") else (logits, ours)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_model_written_by_transformers_is_read_with_equal_logits(
    tmp_path: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards], pooling: str
) -> None:
    torch.manual_seed(0)
    config = transformers.ModernBertConfig(
        **{"vocab_size": 401, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2},
        **{"intermediate_size": 24, "max_position_embeddings": 64, "local_attention": 8, "num_labels": len(THINGS)},
        **{"id2label": dict(enumerate(sorted(THINGS))), "pad_token_id": 0, "classifier_pooling": pooling},
    )
    theirs = transformers.ModernBertForSequenceClassification(config).eval()
    theirs.save_pretrained(tmp_path)
    packed = rows["sequence-classification"]
    for ids, ours in packed_logits("sequence-classification", ModelFolder(tmp_path, ""), packed, tokenizer)[:8]:
        with torch.no_grad():
            expected = theirs(input_ids=torch.tensor([ids])).logits[0]
        torch.testing.assert_close(ours[0], expected, atol=2e-5, rtol=1e-4)


def test_fifteen_in_a_hundred_tokens_are_asked_for_by_seed_and_step(rows: dict[str, Shards]) -> None:
    opened = rows["masked-lm"].open()
    made: Any = objective_of("masked-lm")(opened, reading(len(opened.tokens)))
    asked = hidden = kept = of_all = 0
    for step in range(20):
        batch = made.batch(step, None)
        numbers = opened.numbers(0, step * len(opened.tokens), len(opened.tokens))
        true = torch.from_numpy(opened.tokens[numbers][:, :-1].astype(np.int64))
        wanted = batch.targets >= 0
        assert torch.equal(batch.targets[wanted], true[wanted])
        assert torch.equal(batch.tokens[~wanted], true[~wanted])
        assert not wanted[torch.from_numpy(opened.weights[numbers][:, :-1] == 0)].any()
        asked, of_all = asked + int(wanted.sum()), of_all + int(opened.weights.sum())
        hidden += int((batch.tokens == HIDDEN).sum())
        kept += int((batch.tokens == true)[wanted].sum())
    assert asked / of_all == pytest.approx(0.15, abs=0.01)
    assert hidden / asked == pytest.approx(0.8, abs=0.02)
    assert kept / asked == pytest.approx(0.1, abs=0.02)
    again: Any = objective_of("masked-lm")(opened, reading(len(opened.tokens)))
    assert torch.equal(again.batch(3, None).tokens, made.batch(3, None).tokens)
    assert not torch.equal(again.batch(4, None).tokens, made.batch(3, None).tokens)


def test_what_fills_positions_up_has_no_weight(
    bases: dict[str, ModelFolder], rows: dict[str, Shards], tokenizer: TokenizerFolder
) -> None:
    opened = rows["masked-lm"].open()
    config = TASKS["masked-lm"][0].model_validate({**SMALL, "from": "x"})
    objective = objective_of("masked-lm")(opened, reading(4))
    model = objective.begin(config, bases["modernbert"], opened, tokenizer.open(), compiled=False)
    model.learn(False, label_smoothing=0.0)
    batch = objective.measured(3)
    loss, weight, metrics = objective.loss(model, batch)
    asked = batch.targets >= 0
    assert weight == asked.sum() and weight % PLACES, "none would be filled up"
    logits = model.head(model.model, model.hidden(batch)[asked])
    assert loss.item() == pytest.approx(
        torch.nn.functional.cross_entropy(logits, batch.targets[asked], reduction="sum").item(), rel=1e-5
    )
    assert metrics["accuracy"] == (logits.argmax(-1) == batch.targets[asked]).sum()


@pytest.mark.whole
@pytest.mark.parametrize("objective", TASKS)
def test_the_loss_falls(
    tmp_path: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards], bases: dict[str, ModelFolder], objective: str
) -> None:
    base = None if objective == "masked-lm" else bases["modernbert"]
    rate = {} if objective == "masked-lm" else {"learning_rate": 3e-3}
    model = tune(
        tmp_path,
        objective,
        base,
        rows[objective],
        tokenizer,
        validation=rows[objective],
        **{"steps": 40, "validation_rows": 99, **rate},
    )
    lines = history(model)
    assert lines[-1]["validation_loss"] < 0.9 * lines[0]["loss"]
    assert lines[-1]["validation_accuracy"] > lines[0]["accuracy"]


@pytest.mark.parametrize(
    ("objective", "counted"), [("sequence-classification", "text"), ("token-classification", "token")]
)
def test_the_loss_is_a_mean_over_what_has_a_label(
    tmp_path: Path,
    tokenizer: TokenizerFolder,
    rows: dict[str, Shards],
    bases: dict[str, ModelFolder],
    objective: str,
    counted: str,
) -> None:
    opened = rows[objective].open()
    config = TASKS[objective][0].model_validate({**SMALL, "from": "x"})
    made = objective_of(objective)(opened, reading(4))
    model = made.begin(config, bases["bert"], opened, tokenizer.open(), compiled=False)
    model.learn(False, label_smoothing=0.0)
    _, weight, _ = made.loss(model, made.batch_of(range(4), -1))
    tokens = opened.tokens[:4, :-1]
    texts = int((tokens == tokenizer.open().end_of_turn_id).sum())
    inside = int((tokens > tokenizer.open().end_of_turn_id).sum())
    assert weight == (texts if counted == "text" else inside) and inside > 4 * texts
    assert made.mean_over == counted


def test_a_run_that_was_killed_ends_with_the_same_bytes(
    tmp_path: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards], bases: dict[str, ModelFolder]
) -> None:
    whole = tune(tmp_path / "a", "sequence-classification", bases["bert"], rows["sequence-classification"], tokenizer)
    journal, polls = MemoryJournal(), iter(range(100))

    def stop() -> None:
        if next(polls) == 3:
            raise Stopped("now")

    killed = dataclasses.replace(make_context(tmp_path / "b", journal), check_stop=stop)
    with pytest.raises(Stopped):
        tune(
            tmp_path / "b", "sequence-classification", bases["bert"], rows["sequence-classification"], tokenizer, killed
        )
    going_on = make_context(tmp_path / "b", journal)
    continued = tune(
        tmp_path / "b", "sequence-classification", bases["bert"], rows["sequence-classification"], tokenizer, going_on
    )
    assert any("checkpoint" in line for line in journal.lines)
    for name in ("model.safetensors", "history.jsonl"):
        assert (whole.path / name).read_bytes() == (continued.path / name).read_bytes()


@settings(max_examples=25)
@given(
    architecture=st.sampled_from(ARCHITECTURES),
    task=st.sampled_from(list(TASKS)),
    vocab_size=st.integers(10, 300),
    heads=st.integers(1, 4),
    head_size=st.sampled_from([4, 8]),
    num_layers=st.integers(1, 4),
    intermediate_size=st.integers(8, 80),
    context_length=st.integers(8, 64),
    labels=st.integers(2, 9),
)
def test_parameters_are_counted_before_anything_is_built(
    architecture: Any, task: Any, heads: int, head_size: int, labels: int, **sizes: int
) -> None:
    shape = EncoderConfig(
        architecture=architecture,
        task=task,
        hidden_size=heads * head_size,
        num_heads=heads,
        num_labels=0 if task == "masked-lm" else labels,
        **sizes,
    )
    config = transformers.AutoConfig.for_model(architecture, **shape.describe(), pad_token_id=0)
    with torch.device("meta"):
        model = AUTO[task].from_config(config)
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_the_folder_works_in_a_pipeline_of_transformers(
    tmp_path: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards], bases: dict[str, ModelFolder]
) -> None:
    values = {"steps": 60, "learning_rate": 3e-3}
    model = tune(tmp_path, "token-classification", bases["bert"], rows["token-classification"], tokenizer, **values)
    pipeline: Any = transformers.pipeline("token-classification", str(model.path), aggregation_strategy="simple")
    text = texts()[0]
    thing = next(each for each in THINGS if each in text)
    assert [found["word"].strip() for found in pipeline(text)][:1] == [thing]
    fill: Any = transformers.pipeline("fill-mask", str(bases["bert"].path))
    assert len(fill(f"Creates the {fill.tokenizer.mask_token}.")) == 5


def test_a_published_encoder_keeps_its_own_frame(tmp_path: Path, rows: dict[str, Shards]) -> None:
    from data.tiny_encoders import write_encoder

    encoder = write_encoder(tmp_path / "encoder", ["creates", "the", "[MASK]", *THINGS], positions=64)
    taken = TokenizerFolder(tmp_path / "tokenizer", "t")
    pretrained(PretrainedConfig(path=str(encoder)).resolve(Path()), taken.path, make_context(tmp_path))
    packed, _ = pack(tmp_path / "rows", "sequence-classification", labelled(tmp_path / "d"), taken)
    assert (packed.open().tokens[packed.open().weights > 0] == 2).all()  # [CLS]
    model = tune(tmp_path, "sequence-classification", ModelFolder(encoder, "e"), packed, taken)
    assert TokenizerFolder(model.path, "t").open().end_of_text_id == 2  # the encoder's own [CLS]
    theirs = transformers.AutoTokenizer.from_pretrained(model.path, local_files_only=True)
    assert theirs("the bucket")["input_ids"][0] == 2
    assert max(theirs.get_vocab().values()) < transformers.AutoConfig.from_pretrained(model.path).vocab_size


def test_a_label_in_validation_alone_does_not_count_there(
    tmp_path: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards], bases: dict[str, ModelFolder]
) -> None:
    packed = rows["sequence-classification"]
    without = labelled(tmp_path / "d", [text for text in texts() if "the bucket" not in text])
    fewer, _ = pack(tmp_path / "few", "sequence-classification", without, tokenizer)
    known, every = fewer.open(), packed.open()
    counted = every.of_labels(known.label_names)
    assert [*counted.label_names] == sorted({*every.label_names} - {"bucket"})
    assert every.labels is not None and counted.labels is not None
    for number in np.argwhere(every.weights > 0).tolist():
        name = every.label_names[every.labels[tuple(number)]]
        assert bool(counted.weights[tuple(number)]) == (name != "bucket")
        assert name in ("bucket", known.label_names[counted.labels[tuple(number)]])
    tuned = [
        tune(tmp_path / each, "sequence-classification", bases["bert"], fewer, tokenizer, validation=held, steps=4)
        for each, held in (("a", packed), ("b", alone(tmp_path, tokenizer)))
    ]
    told = [[each["validation_loss"] for each in history(model) if "validation_loss" in each] for model in tuned]
    assert told[0] and all(0 < loss < 10 for loss in told[0])
    assert told[1] and not any(told[1])  # of the other label alone, nothing is left to be wrong about


def alone(folder: Path, tokenizer: TokenizerFolder) -> Shards:
    documents = labelled(folder / "alone", [text for text in texts() if "the bucket" in text])
    return pack(folder / "packed", "sequence-classification", documents, tokenizer)[0]


def test_what_cannot_be_trained_is_refused(
    tmp_path: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards], bases: dict[str, ModelFolder]
) -> None:
    packed = rows["sequence-classification"]
    small = transformers.BertConfig(
        **{"vocab_size": 100, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1},
        **{"intermediate_size": 8, "max_position_embeddings": 32},
    )
    transformers.BertModel(small).save_pretrained(tmp_path / "small")
    with pytest.raises(UsageError, match="reads rows of 32 tokens and 100 token ids"):
        tune(tmp_path / "b", "sequence-classification", ModelFolder(tmp_path / "small", ""), packed, tokenizer)
    unknown = transformers.ElectraConfig(vocab_size=500, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    transformers.ElectraModel(unknown).save_pretrained(tmp_path / "electra")
    with pytest.raises(UsageError, match="trains encoders of type bert, modernbert"):
        tune(tmp_path / "c", "sequence-classification", ModelFolder(tmp_path / "electra", ""), packed, tokenizer)
    with pytest.raises(LmworksError, match="adapters work only with decoders"):
        tune(tmp_path / "e", "masked-lm", bases["bert"], rows["masked-lm"], tokenizer, adapter={"kind": "lora"})
    with pytest.raises(ValidationError, match="answers no prompts"):
        TASKS["masked-lm"][0].model_validate({**SMALL, "from": "scratch", "watch": "x"})


def test_a_tuned_encoder_says_what_answers_are_worth_long_ones_in_parts(
    tmp_path: Path, tokenizer: TokenizerFolder, rows: dict[str, Shards], bases: dict[str, ModelFolder]
) -> None:
    made = rows["sequence-classification"]
    model = tune(tmp_path, "sequence-classification", bases["bert"], made, tokenizer, steps=40, learning_rate=3e-3)
    labels = made.open().label_names
    wanted, other = labels[0], labels[1]
    reward = ClassifierReward(kind="classifier", model="tone", labels=[wanted])
    scorer = reward.opened({"tone": model}, "cpu")
    texts = [f"The {wanted} is here.", f"The {other} is here.", f"The {wanted} is here. " * 60]
    found = scorer.scores([Answer(text, "", True) for text in texts])
    engine = open_engine(model.path, device="cpu")
    assert len(texts[2].split()) > engine.context_length
    split = engine.classify([texts[2]], long_samples="split")[0]
    assert found[2] == split.probabilities[wanted] and not split.is_cut
    assert found[0] > found[1]
    both = ClassifierReward(kind="classifier", model="tone", labels=[*labels]).opened({"tone": model}, "cpu")
    assert both.scores([Answer("It.", "", True)]) == [pytest.approx(1.0)]
    assert both.scores([]) == []
