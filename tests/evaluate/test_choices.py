"""How questions with choices are put, what stands before them, where their tokens part, and what items keep of them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from evaluated import items_of, make_rows
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from lmworks.engines.open import open_decoder
from lmworks.errors import LmworksError, UsageError
from lmworks.evaluate.choices import parted, signs
from lmworks.evaluate.tasks.choices import MultipleChoiceConfig, evaluate_multiple_choice
from lmworks.evaluate.tasks.last_word import LastWordConfig, evaluate_last_word
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Figure
from lmworks.tokens.tokenizer import CHAT_TEMPLATE, END_OF_TEXT, ChatRefused, open_tokenizer
from support import make_context

CHOICES = ["a list of tags", "a new", "the role that may read them"]
ROWS = [{"query": f"What is number {number}?", "choices": CHOICES, "gold": number % 3} for number in range(6)]


def asked(
    model: ModelFolder,
    folder: Path,
    rows: list[dict[str, Any]] = ROWS,
    train: list[dict[str, Any]] | None = None,
    **config: Any,
) -> tuple[list[dict[str, Any]], dict[str, Figure], list[str]]:
    """Items, figures by name, and what was logged."""
    folder.mkdir()
    told: list[str] = []
    context = dataclasses.replace(make_context(folder), log=told.append)
    known = make_rows(folder / "train", train) if train is not None else None
    made = MultipleChoiceConfig(data="arc", train=None if train is None else "dev", **config)
    data = make_rows(folder / "data", rows)
    (folder / "out").mkdir()
    result = evaluate_multiple_choice(made, model, data, known, out=folder / "out", context=context)
    return items_of(folder / "out"), {each.name: each for each in result.figures}, told


def with_tokenizer(model: ModelFolder, folder: Path, backend: Tokenizer | None = None, **settings: Any) -> ModelFolder:
    """The same weights beside another tokenizer, or other settings of it; those that are None are taken out."""
    shutil.copytree(model.path, folder)
    if backend:
        backend.save(str(folder / "tokenizer.json"))
    path = folder / "tokenizer_config.json"
    known = {**json.loads(path.read_text()), **settings}
    path.write_text(json.dumps({name: value for name, value in known.items() if value is not None}))
    return ModelFolder(folder, folder.name)


def backend_of(model: ModelFolder) -> Tokenizer:
    return Tokenizer.from_file(str(model.path / "tokenizer.json"))


def begin_adding(model: ModelFolder) -> Tokenizer:
    backend = backend_of(model)
    backend.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
    )
    return backend


def test_an_item_keeps_the_score_of_every_choice(model: ModelFolder, tmp_path: Path) -> None:
    items, figures, _ = asked(model, tmp_path / "a")
    engine = open_decoder(model.path)
    bits = 0.0
    for item, row in zip(items, ROWS, strict=True):
        assert item["prompt"] == f"{row['query']}\nAnswer:" and item["meets"] == "clean"
        prompt = [0, *engine.tokenizer.encode(item["prompt"])]
        assert item["begins_with"] == prompt[:8]
        for choice, kept in zip(CHOICES, item["choices"], strict=True):
            ids = engine.tokenizer.encode(f" {choice}")
            (scores,) = engine.log_likelihoods([[*prompt, *ids]], [len(prompt)])
            assert (kept["text"], kept["tokens"], kept["bytes"]) == (choice, len(ids), len(choice.encode()))
            assert kept["log_likelihood"] == pytest.approx(math.fsum(scores), abs=1e-4)
        right = item["choices"][row["gold"]]
        bits -= right["log_likelihood"] / math.log(2)
        assert (item["bits"], item["bytes"]) == (-right["log_likelihood"] / math.log(2), right["bytes"] + 1)
    figure = figures["answer_bits_per_byte"]
    assert figure.value == pytest.approx(bits / sum(item["bytes"] for item in items)) and figure.interval


@pytest.mark.parametrize("score", ["per-character", "mutual-information"])
def test_other_measures_are_as_published(model: ModelFolder, tmp_path: Path, score: str) -> None:
    rows = [{"query": "What?", "choices": ["naïve", "the monitors in the account", "日本"], "gold": 0}, *ROWS]
    items, figures, _ = asked(model, tmp_path / "a", rows, score=score)
    engine = open_decoder(model.path)
    for item in items:
        best = []
        for each in item["choices"]:
            (alone,) = engine.log_likelihoods([[0, *engine.tokenizer.encode(f" {each['text']}")]], [1])
            worth = {
                "per-character": each["log_likelihood"] / len(each["text"]),
                "mutual-information": each["log_likelihood"] - math.fsum(alone),
            }
            best.append(worth[score])
        assert item["answer"] == item["choices"][best.index(max(best))]["text"]
    assert figures["accuracy"].conditions and figures["accuracy"].conditions.judged == score
    others = {"accuracy", "answer_bits_per_byte", "accuracy_by_sum", "accuracy_by_per-byte"}
    assert figures.keys() == (others | {"accuracy_by_per-character"} if score == "mutual-information" else others)
    assert all(figure.chance == pytest.approx(1 / 3) for name, figure in figures.items() if "accuracy" in name)


def test_letters_are_scored_where_choices_are_listed(model: ModelFolder, tmp_path: Path) -> None:
    items, figures, _ = asked(model, tmp_path / "a", template="letters")
    listed = "A. a list of tags\nB. a new\nC. the role that may read them"
    assert items[1]["prompt"] == f"What is number 1?\n{listed}\nAnswer:"
    assert [each["text"] for each in items[1]["choices"]] == ["A", "B", "C"]
    assert (items[1]["reference"], items[1]["answer"] in "ABC") == ("B", True)
    cloze = asked(model, tmp_path / "b")[1]["accuracy"]
    one, other = figures["accuracy"].conditions, cloze.conditions
    assert one and other and one.prompt != other.prompt and one.items == other.items
    own = "Q: {query} {choices} ({subject})\nA:"
    items, *_ = asked(model, tmp_path / "c", [{**ROWS[0], "query": "Is {choices} a word?"}], template=own, delimiter="")
    assert items[0]["prompt"] == f"Q: Is {{choices}} a word? {listed} ()\nA:"
    with pytest.raises(ValueError, match=r"must be cloze, letters or a text with \{query\}"):
        MultipleChoiceConfig(data="arc", template="no question")


def test_shots_are_answered_questions_of_the_subject_and_never_the_one_asked(
    model: ModelFolder, tmp_path: Path
) -> None:
    def row(subject: str, number: int) -> dict[str, Any]:
        return {"question": f"{subject}{number}?", "choices": ["x", "y"], "answer": number % 2, "subject": subject}

    dev = [row(subject, number) for subject in ("a", "b") for number in range(4)]
    items, figures, _ = asked(
        model, tmp_path / "a", [row("a", 1), row("b", 9)], dev, shots=3, introduction="On {subject}.\n\n"
    )
    for item, subject in zip(items, "ab", strict=True):
        introduction, *shots, question = item["prompt"].split("\n\n")
        assert introduction == f"On {subject}." and len(set(shots)) == 3
        assert all(shot in {f"{subject}{n}?\nAnswer: {'xy'[n % 2]}" for n in range(4)} for shot in shots)
        assert question not in [shot.rpartition(" ")[0] for shot in shots]
    known = figures["accuracy"].conditions
    assert known and known.shots == 3 and known.prompt and known.prompt.startswith("cloze ")
    with pytest.raises(UsageError, match=r"dev: only 3 other questions on a can be shown .* `shots` is 4"):
        asked(model, tmp_path / "b", [row("a", 1)], dev, shots=4)
    with pytest.raises(ValueError, match="shots are answered questions of `train`"):
        MultipleChoiceConfig(data="arc", shots=1)


# what stands before a prompt


def test_what_stands_before_a_prompt_is_what_the_model_is_used_to(model: ModelFolder, tmp_path: Path) -> None:
    """Ours begin with the end of a text; Llama's and Gemma's tokenizers add a token themselves, GPT-2's add none."""
    begun = with_tokenizer(model, tmp_path / "llama", begin_adding(model), eos_token=None)
    told = with_tokenizer(model, tmp_path / "told", bos_token="<|im_start|>", add_bos_token=True)
    bare = with_tokenizer(model, tmp_path / "gpt", eos_token=END_OF_TEXT)
    for number, (one, begin) in enumerate(((model, [0]), (begun, [1]), (told, [1]), (bare, []))):
        tokenizer = open_tokenizer(one.path)
        ids = tokenizer.encode("What is number 0?\nAnswer:")
        items, figures, _ = asked(one, tmp_path / str(number))
        assert items[0]["begins_with"] == [*begin, *ids][:8]
        shown = tokenizer.spell(begin)
        known = figures["accuracy"].conditions
        assert known and known.before == shown
        assert f"after {shown or 'nothing'}," in figures["accuracy"].method
        assert open_decoder(one.path).encode_text("What") == [*begin, *tokenizer.encode("What")]
        data = make_rows(tmp_path / f"data{number}", [{"context": "What is", "continuation": "it"}])
        out = tmp_path / f"out{number}"
        out.mkdir()
        result = evaluate_last_word(LastWordConfig(data="l"), one, data, out=out, context=make_context(out))
        assert items_of(out)[0]["begins_with"] == [*begin, *tokenizer.encode("What is")]
        assert result.figures[0].conditions and result.figures[0].conditions.before == shown
    assert open_decoder(bare.path).encode_text("") == [0]
    for number, (policy, begin) in enumerate({"nothing": [], "end-of-text": [0], "begin-of-text": [1]}.items()):
        items, figures, _ = asked(told, tmp_path / f"policy{number}", before=policy)
        assert items[0]["begins_with"][:2] == [*begin, *ids][:2]
    unnamed = with_tokenizer(model, tmp_path / "unnamed", bos_token=None)
    with pytest.raises(UsageError, match=r"names no bos_token\. Use `end-of-text`"):
        asked(unnamed, tmp_path / "refused", before="begin-of-text")


def test_a_chat_is_begun_once(model: ModelFolder, tmp_path: Path) -> None:
    chat = [{"role": "user", "content": f"{END_OF_TEXT}{END_OF_TEXT} What?"}]  # in a text these are words
    begun = with_tokenizer(model, tmp_path / "llama", begin_adding(model), bos_token="<|im_start|>")
    assert open_decoder(begun.path).encode(chat)[:2] == [0, 1]
    assert open_decoder(model.path).encode(chat).count(0) == 1
    twice = with_tokenizer(model, tmp_path / "twice", chat_template="{{ bos_token }}" + CHAT_TEMPLATE)
    with pytest.raises(ChatRefused, match=r"it begins a chat with <\|endoftext\|> twice"):
        open_decoder(twice.path).encode(chat)


def test_whether_a_model_chats_is_told_by_its_template_and_not_by_its_name(model: ModelFolder, tmp_path: Path) -> None:
    named = with_tokenizer(model, tmp_path / "tiny-chat-instruct", chat_template=None)
    engine, unnamed = open_decoder(named.path), open_decoder(model.path)
    assert not engine.chats and engine.conditions().template is None
    assert unnamed.chats and unnamed.conditions().template
    with pytest.raises(LmworksError, match="has no chat_template"):
        engine.encode([{"role": "user", "content": "What?"}])


# where a prompt ends and an answer begins


def merging(model: ModelFolder, *pairs: tuple[str, str]) -> Tokenizer:
    """The model's tokenizer, that parts no words and makes one token of each of these pairs, before all others."""
    backend = backend_of(model)
    told = json.loads(backend.to_str())
    vocabulary = told["model"]["vocab"]
    for number, pair in enumerate(pairs):
        vocabulary["".join(pair)] = vocabulary.pop(max(vocabulary, key=vocabulary.__getitem__))
        told["model"]["merges"].insert(number, list(pair))
    told["model"]["merges"] = [pair for pair in told["model"]["merges"] if "".join(pair) in vocabulary]
    backend = Tokenizer.from_str(json.dumps(told))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return backend


def test_both_boundaries_score_the_whole_text_where_tokens_part(model: ModelFolder) -> None:
    tokenizer = open_tokenizer(model.path)
    for boundary in ("whole", "lm-eval"):
        prompt, (ids,), meets = parted(tokenizer, [0], "What is", [" it"], boundary)  # type: ignore[arg-type]
        assert (prompt, ids, meets) == ([0, *tokenizer.encode("What is")], tokenizer.encode(" it"), "clean")
    prompt, (ids,), _ = parted(tokenizer, [0], "What is  ", ["it"], "lm-eval")  # white space is moved to the answer
    assert prompt == [0, *tokenizer.encode("What is")]
    assert [*prompt, *ids] == [0, *tokenizer.encode("What is  it")]
    prompt, (ids,), _ = parted(tokenizer, [], "", [" it"])
    assert (prompt, ids) == ([0], tokenizer.encode(" it")), "something tells the first token"


def test_a_token_across_the_boundary_is_scored_with_all_choices_or_as_lm_eval_does(
    model: ModelFolder, tmp_path: Path
) -> None:
    other = with_tokenizer(model, tmp_path / "m", merging(model, (":", "Ġ")))
    tokenizer = open_tokenizer(other.path)
    context, whole = tokenizer.encode("A:"), tokenizer.encode("A: b")
    assert len(whole) > len(context) and whole[: len(context)] != context
    ours = parted(tokenizer, [0], "A:", [" b", " c"])
    assert [*ours.prompt, *ours.continuations[0]] == [0, *whole] and ours.meets == "spanned"
    theirs = parted(tokenizer, [0], "A:", [" b", " c"], "lm-eval")
    assert (theirs.prompt, theirs.continuations[0]) == ([0, *context], whole[len(context) :])
    rows = [{"query": "What?", "choices": ["b", "c"], "gold": 0}]
    _, figures, _ = asked(other, tmp_path / "a", rows)
    assert "; of 1 of 1 a token spans prompt and answer" in figures["accuracy"].method
    _, split, _ = asked(other, tmp_path / "b", rows, boundary="lm-eval")
    one, two = figures["accuracy"].conditions, split["accuracy"].conditions
    assert one and two and one.decoding != two.decoding


def test_an_answer_of_which_no_token_would_be_left_is_encoded_apart_and_counted(
    model: ModelFolder, tmp_path: Path
) -> None:
    """ ":" and "C" are one token: of the tokens of "…:C" none stands behind those of "…:", where lm_eval crashes."""
    other = with_tokenizer(model, tmp_path / "m", merging(model, (":", "C")))
    tokenizer = open_tokenizer(other.path)
    assert len(tokenizer.encode("r:C")) == len(tokenizer.encode("r:"))
    found = parted(tokenizer, [0], "r:", ["C"], "lm-eval")
    assert (found.prompt, found.continuations) == ([0, *tokenizer.encode("r:")], [tokenizer.encode("C")])
    assert found.meets == "apart"
    assert parted(tokenizer, [0], "r:", ["C"]).meets == "spanned", "what is scored is the token of both"
    rows = [{"query": "Letter", "choices": ["C", "b"], "gold": 0}]
    items, figures, _ = asked(other, tmp_path / "a", rows, delimiter="", boundary="lm-eval")
    assert all(each["tokens"] for each in items[0]["choices"])
    assert "; of 1 of 1 prompt and answer are encoded apart" in figures["accuracy"].method


def test_what_has_no_token_at_all_is_refused(model: ModelFolder, tmp_path: Path) -> None:
    backend = Tokenizer(models.WordLevel({END_OF_TEXT: 0, "a": 1}, unk_token=END_OF_TEXT))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.add_special_tokens([END_OF_TEXT])
    other = with_tokenizer(model, tmp_path / "m", backend)
    with pytest.raises(LmworksError, match=r"has no token for '  ', so it cannot be scored"):
        parted(open_tokenizer(other.path), [0], "a", ["  "])


# what tells the right answer without its question


def test_a_surface_feature_that_tells_the_answer_is_told(model: ModelFolder, tmp_path: Path) -> None:
    fair = [{"query": f"{n}?", "choices": ["one", "two", "six"], "gold": n % 3} for n in range(60)]
    assert signs(fair) == []
    longest = [
        {**each, "choices": [f"{c}{'…' * (n % 3 == k)}" for k, c in enumerate(each["choices"])]}  # type: ignore[union-attr]
        for n, each in enumerate(fair)
    ]
    (told,) = signs(longest)
    assert told == "the right choice is the longest in 60 of 60 (100%, chance 33%)"
    assert "number 2 in 40 of 60 (67%" in signs([{**each, "gold": 1 if n % 3 else 0} for n, each in enumerate(fair)])[0]
    spaced = [
        {**each, "choices": [f"{c}{' ' * (n % 3 != k)}" for k, c in enumerate(each["choices"])]}  # type: ignore[union-attr]
        for n, each in enumerate(fair)
    ]
    assert any("without white space at an end in 60 of 60" in each for each in signs(spaced))
    _, figures, log = asked(model, tmp_path / "a", longest)
    assert "; mind that the right choice is the longest in 60 of 60" in figures["accuracy"].method
    assert log == [f"arc: without its question {told}"]


def test_questions_of_one_template_are_one_cluster_where_the_recipe_says_so(model: ModelFolder, tmp_path: Path) -> None:
    rows = [
        {
            "query": f"Case {20 * number + again}: what is number {number}?",
            "choices": CHOICES,
            "gold": 0,
            "made": {"of": number},
        }
        for number in range(8)
        for again in range(20)
    ]
    alone, by_itself, _ = asked(model, tmp_path / "a", rows)
    together, in_clusters, _ = asked(model, tmp_path / "b", rows, cluster="made.of")
    assert {item["cluster"] for item in alone} == {item["id"] for item in alone}
    assert all(item["prompt"].endswith(f"number {item['cluster']}?\nAnswer:") for item in together)
    for name in ("accuracy", "answer_bits_per_byte"):
        assert by_itself[name].value == pytest.approx(in_clusters[name].value, rel=1e-12)
        assert "8 clusters" in in_clusters[name].method
    (low, high), (wide_low, wide_high) = (each["accuracy"].interval or () for each in (by_itself, in_clusters))
    assert wide_high - wide_low > 1.5 * (high - low)
    shown = [{key: value for key, value in row.items() if key != "made"} for row in rows]
    asked(model, tmp_path / "c", rows, shown, cluster="made.of", shots=1)  # what is shown need not have it
    with pytest.raises(
        UsageError, match=r"multiple-choice: `cluster` names 'made\.off', which none of its 160 records"
    ):
        asked(model, tmp_path / "d", rows, cluster="made.off")
