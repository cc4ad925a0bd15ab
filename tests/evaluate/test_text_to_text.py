"""What is written for a source is scored as sacreBLEU scores it, beside a copy and a word table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import scipy.stats
import torch
from evaluated import items_of
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from lmworks.data.tuning.conversations import Conversations, conversation, write_conversations
from lmworks.evaluate.compare import CompareConfig, compare
from lmworks.evaluate.items import Evaluation
from lmworks.evaluate.metrics import bleu_counts, bleu_of, chrf_counts, chrf_of, sacrebleu_signatures
from lmworks.evaluate.tasks import TASKS
from lmworks.evaluate.tasks.writing import TEXT_TO_TEXT, TextToTextTaskConfig
from lmworks.model.baselines.word_table import WordTable
from lmworks.model.folder import ModelFolder
from lmworks.model.published import save_published
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.pipeline.stage import Result
from lmworks.pipeline.statistics import compare_of_sums, of_sums
from support import make_context

SOME = ["a", "man", "the", "dog", ".", ",", "runs", "über", "Straße", "12"]
TEXTS = st.lists(st.sampled_from(SOME), max_size=9).map(" ".join)
PAIRS = {
    "the dog sleeps.": "der Hund schläft.",
    "the cat sleeps.": "die Katze schläft.",
    "a dog runs.": "ein Hund rennt.",
    "a cat runs.": "eine Katze rennt.",
    "the dog runs.": "der Hund rennt.",
}


@settings(max_examples=60)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_bleu_and_chrf_are_those_of_sacrebleu(pairs: list[tuple[str, str]]) -> None:
    references, answers = ([pair[side] for pair in pairs] for side in (0, 1))
    for counts, score, theirs in (
        (bleu_counts, bleu_of, sacrebleu.corpus_bleu),
        (chrf_counts, chrf_of, sacrebleu.corpus_chrf),
    ):
        sums = np.sum([counts([reference], answer) for reference, answer in pairs], axis=0, dtype=float)
        assert float(score(sums)) == pytest.approx(theirs(answers, [references]).score, abs=1e-9)


def test_the_signatures_are_sacrebleus() -> None:
    for metric, ours in zip((sacrebleu.BLEU(), sacrebleu.CHRF()), sacrebleu_signatures(), strict=True):
        metric.corpus_score(["a"], [["a"]])
        assert ours.split(" ")[1] == str(metric.get_signature())


def test_a_score_of_sums_that_is_a_mean_has_students_interval() -> None:
    draw = np.random.default_rng(1)
    a, b = draw.random(40), draw.random(40)
    counts = [np.stack([side, np.ones(40)], axis=1) for side in (a, b)]
    found = compare_of_sums(*counts, lambda sums: sums[..., 0] / sums[..., 1])
    expected = scipy.stats.ttest_rel(a, b)
    assert found.difference == pytest.approx((a - b).mean())
    assert found.p == pytest.approx(expected.pvalue, abs=0.03), "but for skewness"
    assert found.interval == pytest.approx(expected.confidence_interval(), abs=0.02)
    low, high = of_sums(counts[0], lambda sums: sums[..., 0] / sums[..., 1], range(40)).interval or (0, 0)
    assert low < a.mean() < high


def test_the_word_table_learns_which_word_stands_for_which() -> None:
    table = WordTable.fit(list(PAIRS.items()))
    assert table.translate("the cat runs.") == "der Katze rennt.", "each word for itself"
    assert table.translate("A zebra sleeps!") == "ein zebra schläft!", "a word that was never seen is copied"
    assert WordTable.fit(list(PAIRS.items())) == table
    assert WordTable.fit([]).translate("as it is") == "as it is"


@settings(max_examples=25)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_the_word_table_is_that_of_model_1(pairs: list[tuple[str, str]]) -> None:
    """The equations of Brown et al. 1993, section 4.1, word by word."""
    texts = [(["", *source.split()], target.split()) for source, target in pairs]
    shares = {(e, f): 1.0 for source, target in texts for e in source for f in target}
    for _ in range(10):
        counts = dict.fromkeys(shares, 0.0)
        for source, target in texts:
            for f in target:
                total = sum(shares[e, f] for e in source)
                for e in source:
                    counts[e, f] += shares[e, f] / total
        sums: dict[str, float] = {}
        for (e, _f), count in counts.items():
            sums[e] = sums.get(e, 0.0) + count
        shares = {(e, f): count / sums[e] for (e, f), count in counts.items()}
    table = WordTable.fit([(" ".join(source[1:]), " ".join(target)) for source, target in texts])
    assert table.words.keys() == {e for e, _ in shares}
    for e, f in table.words.items():
        assert shares[e, f] == pytest.approx(max(share for (of, _), share in shares.items() if of == e), abs=1e-9)


def conversations(folder: Path) -> Conversations:
    made = [
        conversation(id=f"p{number}", form="pair", question=source, answer=target, document=f"d{number}")
        for number, (source, target) in enumerate(PAIRS.items())
    ]
    write_conversations(folder, made)
    return Conversations(folder, folder.name)


def keep(result: Result, out: Path) -> Evaluation:
    write_atomically(out / "figures.json", canonical_json([figure.as_json() for figure in result.figures]))
    return Evaluation(out, out.name)


def test_a_t5_a_decoder_and_the_baselines_are_compared_on_the_same_pairs(model: ModelFolder, tmp_path: Path) -> None:
    data = conversations(tmp_path / "data")
    torch.manual_seed(3)
    shape = {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=320, eos_token_id=2, decoder_start_token_id=0, **shape))
    save_published(t5, tmp_path / "t5", model.path)
    config = TextToTextTaskConfig(data="x", train="y", max_tokens=8, beams=4, timed=3)
    evaluated: dict[str, Evaluation] = {}
    for name, folder in (("t5", tmp_path / "t5"), ("decoder", model.path)):
        out = tmp_path / f"of-{name}"
        out.mkdir()
        context = make_context(out / "work")
        result = TEXT_TO_TEXT.stage(config, ModelFolder(folder, ""), data, data, out=out, context=context)
        evaluated[name] = keep(result, out)
        assert 0 < result.measured["median_seconds"] <= result.measured["p95_seconds"]
        assert result.measured["median_processor_seconds"] > 0 and result.measured["timed_texts"] == 3
    known = AutoTokenizer.from_pretrained(tmp_path / "t5")
    differ = 0
    for item in items_of(tmp_path / "of-t5"):
        ids = torch.tensor([[*known(item["prompt"], add_special_tokens=False).input_ids, 2]])
        greedy, theirs = (t5.eval().generate(input_ids=ids, max_new_tokens=8, num_beams=beams)[0] for beams in (1, 4))
        assert item["answer"] == known.decode(theirs, skip_special_tokens=True).strip()
        differ += greedy.tolist() != theirs.tolist()
    assert differ, "beams change what is written"
    for name, baseline in TASKS["text-to-text"].baselines.items():
        out = tmp_path / name
        out.mkdir()
        evaluated[name] = keep(baseline(config, data, data, out=out, context=make_context(out / "work")), out)
    copied = evaluated["copy-source"].figures()[0]
    answers = [pair["messages"][0]["content"] for pair in data.iterate()]
    wanted = [[pair["messages"][1]["content"] for pair in data.iterate()]]
    assert copied.value == pytest.approx(sacrebleu.corpus_bleu(answers, wanted).score)
    assert evaluated["word-table"].figures()[2].value > 0.5, "exact matches on what it learned from"
    out = tmp_path / "compared"
    out.mkdir()
    names = list(evaluated)
    comparing = CompareConfig(evaluations=names, labels=names, baselines=["copy-source", "word-table"])
    comparing = comparing.model_copy(update={"may_differ": list(TASKS["text-to-text"].may_differ)})
    result = compare(comparing, list(evaluated.values()), out=out, context=make_context(out / "work"))
    compared = {figure.name for figure in result.figures}
    assert "bleu: word-table - t5" in compared
    assert not any("copy-source" in name and "word-table" in name for name in compared)
    assert any(name in compared for name in ("bleu: t5 - decoder", "bleu: decoder - t5"))


def test_examples_are_kept_without_personal_data(tmp_path: Path) -> None:
    mail = "jane.roe@example.org"
    asked = conversation(id="p", form="pair", question=f"Ask {mail}.", answer=f"Frag {mail}.", document="d")
    write_conversations(tmp_path / "data", [asked])
    data = Conversations(tmp_path / "data", "data")
    baseline = TASKS["text-to-text"].baselines["copy-source"]
    (tmp_path / "out").mkdir()
    config = TextToTextTaskConfig(data="x", train="y")
    result = baseline(config, data, data, out=tmp_path / "out", context=make_context(tmp_path / "work"))
    assert mail in str(items_of(tmp_path / "out")), "what is compared keeps its text"
    assert "‹email hidden›" in str(result.examples) and mail not in str(result.examples)
