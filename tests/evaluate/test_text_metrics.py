"""Written texts are judged as sacreBLEU, rouge-score and a person with a pencil would, by all that is right."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from lmworks.data.quality.classifier import ClassifierConfig, classifier
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.data.tuning.facts import count, parse_facts, values_of, verbalise, words
from lmworks.data.tuning.styles import StylesConfig, styles
from lmworks.errors import UsageError
from lmworks.evaluate.metrics import bleu_counts, bleu_of, chrf_counts, chrf_of, rouge_n, sacrebleu_signatures
from lmworks.evaluate.text_metrics import TEXT_METRICS
from lmworks.evaluate.text_metrics.metric import Known, Written
from lmworks.model.baselines.nearest_facts import NearestFacts, exchange
from lmworks.model.baselines.one_sentence import central, lead, learned
from lmworks.pipeline.stage import Handle
from support import make_context

SOME = ["a", "man", "the", "dog", ".", ",", "runs", "über", "12"]
TEXTS = st.lists(st.sampled_from(SOME), max_size=9).map(" ".join)
WRITTEN = st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=5)


@settings(max_examples=60)
@given(written=WRITTEN)
@example(written=[("", ["a"]), ("a man runs", ["a a über über", "über"])])
def test_bleu_and_chrf_beside_several_references_are_those_of_sacrebleu(written: list[tuple[str, list[str]]]) -> None:
    answers, references = [answer for answer, _ in written], [several for _, several in written]
    most = max(map(len, references))
    columns = [[row[place] if place < len(row) else None for row in references] for place in range(most)]
    for counts, score, theirs in (
        (bleu_counts, bleu_of, sacrebleu.corpus_bleu),
        (chrf_counts, chrf_of, sacrebleu.corpus_chrf),
    ):
        sums = np.sum([counts(several, answer) for answer, several in written], axis=0, dtype=float)
        assert float(score(sums)) == pytest.approx(theirs(answers, columns).score, abs=1e-9)
    for metric, ours in zip(
        (sacrebleu.BLEU(), sacrebleu.CHRF()), sacrebleu_signatures([len(row) for row in references]), strict=True
    ):
        metric.corpus_score(answers, columns)
        assert ours.split(" ")[1] == str(metric.get_signature())


@given(reference=TEXTS, answer=TEXTS)
def test_rouge_1_and_2_are_those_of_rouge_score(reference: str, answer: str) -> None:
    theirs = RougeScorer(["rouge1", "rouge2"], use_stemmer=False).score(reference, answer)
    for order in (1, 2):
        assert rouge_n(reference, answer, order) == pytest.approx(theirs[f"rouge{order}"].fmeasure, abs=1e-12)


def turns(asked: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def judged(name: str, *written: Written, asked: str = "name[The Mill], food[Thai]") -> list[dict[str, float]]:
    pair = {"id": "p", "messages": turns(asked, "The Mill is Thai.")}
    judge = TEXT_METRICS[name].judge(Known(asked=[pair]))  # type: ignore[index]
    return [judge.fields(each) for each in written]


def test_rouge_is_that_of_the_reference_best_in_rouge_1() -> None:
    answer = "we learn fast kernels"
    references = ["kernels we learn are fast", "the fast kernels"]
    (fields,) = judged("rouge", Written("", references, answer))
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(references[0], answer)
    expected = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
    assert fields == {ours: pytest.approx(theirs[name].fmeasure) for ours, name in expected.items()}
    assert RougeScorer(["rouge2"]).score(references[1], answer)["rouge2"].fmeasure > fields["rouge_2"]


FACTS = "name[Blue Spice], eatType[coffee shop], priceRange[£20-25], familyFriendly[yes], near[Raja Indian Cuisine]"
OTHERS = ["riverside", "city centre", "indian", "pub", "blue spice"]


@pytest.mark.parametrize(
    ("answer", "stated", "wrong"),
    [
        ("Blue Spice is a coffee shop near Raja Indian Cuisine, at £20-25.", 4, 0),
        ("BLUE SPICE, a coffee-shop of £20 to £25, by the riverside.", 2, 1),
        ("Blue Spice is a pub in the city centre.", 1, 2),
        ("A publican sold bluespice.", 0, 0),
        ("Blue Spice is an Indian pub near Raja Indian Cuisine.", 2, 2),
        ("", 0, 0),
    ],
)
def test_stated_and_wrong_values_are_counted(answer: str, stated: int, wrong: int) -> None:
    assert count(values_of(FACTS), OTHERS, answer) == {"slots": 4, "stated": stated, "wrong": wrong}


WORDS = ["old", "mill", "thai", "river", "side", "5", "out", "of"]
VALUES = st.lists(st.sampled_from(["mill", "old mill", "thai", "river side", "5 out of 5", "x"]), unique=True)


@given(values=VALUES, others=VALUES, answer=st.lists(st.sampled_from(WORDS)))
def test_a_text_that_says_more_states_no_less(values: list[str], others: list[str], answer: list[str]) -> None:
    text = " ".join(answer)
    before = count(values, others, text)
    after = count(values, others, f"{text}. {'. '.join(values)}")
    assert 0 <= before["stated"] <= after["stated"] == after["slots"] == len(values)
    assert count(values, values, text)["wrong"] == 0, "what is true is never wrong"
    assert before["wrong"] <= len(set(others) - set(values))


def test_what_people_wrote_stands_beside_slot_coverage() -> None:
    pair = {"id": "p", "messages": turns(FACTS, ""), "references": ["Blue Spice", "a riverside"]}
    other = {"id": "q", "messages": turns("area[riverside]", "")}
    judge = TEXT_METRICS["slots"].judge(Known(asked=[pair], train=[other]))
    assert "the references state 12.5%" in judge.methods[0], "one of four values by one of two"
    assert "the references have 0.500" in judge.methods[1]
    with pytest.raises(UsageError, match="no source holds facts"):
        TEXT_METRICS["slots"].judge(Known(asked=[other | {"messages": turns("A man runs.", "")}]))


def test_a_classifier_of_the_recipe_tells_whose_style_a_text_has(tmp_path: Path) -> None:
    places = [f"name[The Mill {number}], food[{food}]" for number in range(40) for food in ("Thai", "French")]
    made = [
        Document(
            id=f"{number:02}", text="-", source="s", licence="MIT", meta={"mr": facts, "ref": f"Try {number} now!"}
        )
        for number, facts in enumerate(places)
    ]
    write_shard(tmp_path / "raw" / "part-00000.parquet", made)
    (tmp_path / "raw" / "ids.txt").write_text("".join(f"{document.id}\n" for document in made))
    config = StylesConfig.model_validate({"from": "x", "facts": "mr", "text": "ref"})
    styles(config, Documents(tmp_path / "raw", ""), out=tmp_path / "styles", context=make_context(tmp_path / "a"))
    parts = [Documents(tmp_path / "styles" / part, "") for part in ("written", "template")]
    assert [next(part.iterate()).text for part in parts] == ["Try 0 now!", "The Mill 0 has the food Thai."]
    learning = ClassifierConfig.model_validate({"from": ["x", "y"], "label": "style"})
    out = tmp_path / "classifier"
    out.mkdir()
    classifier(learning, parts, out=out, context=make_context(tmp_path / "b"))
    pair = {"id": "p", "messages": turns(places[0], "Try 99 now!")}
    known = Known(asked=[pair], style=Handle(out, ""), style_label="written")
    judge = TEXT_METRICS["style"].judge(known)
    answers = ["Try 100 now!", "The Mill 7 has the food Greek."]
    assert [judge.fields(Written("", [""], answer))["in_style"] for answer in answers] == [1, 0]
    assert "of the references 100.0% are" in judge.methods[0]
    with pytest.raises(UsageError, match=r"'good' is no label; expected one of template, written"):
        TEXT_METRICS["style"].judge(replace(known, style_label="good"))


def test_style_needs_a_classifier() -> None:
    with pytest.raises(UsageError, match="step of kind `classifier`"):
        judged("style")


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("name[The Mill], familyFriendly[no]", [("name", "The Mill"), ("familyFriendly", "no")]),
        ("name: The Mill, area: by the river, near town; price: £5", None),
        ("name: The Mill\narea: by the river, near town\nprice: £5", None),
        ("name[The Mill], area[]", [("name", "The Mill")]),
        ("A man sleeps.", []),
    ],
)
def test_facts_are_read_in_either_form(text: str, facts: list[tuple[str, str]] | None) -> None:
    commas = [("name", "The Mill"), ("area", "by the river, near town"), ("price", "£5")]
    assert parse_facts(text) == (commas if facts is None else facts)


def test_a_template_states_every_fact() -> None:
    text = verbalise(parse_facts(f"{FACTS}, open[no]"))
    assert text == (
        "Blue Spice is a coffee shop. It has the price range £20-25. It is family friendly. "
        "It is near Raja Indian Cuisine. It is not open."
    )
    assert count(values_of(FACTS), [], text)["stated"] == 4
    assert verbalise(parse_facts("colour: red, size: 5")) == "red has the size 5."
    assert verbalise([]) == ""


def test_the_nearest_text_is_taken_and_its_values_exchanged() -> None:
    known = [
        ("name[The Mill], area[riverside]", "The Mill lies at the riverside."),
        ("name[The Mill], area[riverside], food[Thai]", "By the riverside, The Mill cooks."),
        ("name[The Mill], area[riverside], food[Thai]", "Thai food by the riverside: The Mill."),
        ("name[Cocum], near[The Mill], food[Thai]", "Cocum cooks Thai food near The Mill."),
    ]
    nearest = NearestFacts(known)
    assert nearest.write("name[Cocum], area[city centre], food[Indian]") == "Indian food by the city centre: Cocum."
    assert nearest.write("name[riverside], area[The Mill]") == "riverside lies at the The Mill.", "nothing twice"
    assert exchange("The Mill", {"name": "The Mill"}, {"area": "x"}) == "The Mill"


ABSTRACT = "Networks are large. Pruning makes networks small, e.g. by half. We show that pruning works. Code is online."


def test_sentences_are_copied_for_a_summary() -> None:
    assert lead(ABSTRACT) == "Networks are large."
    assert central(ABSTRACT) == "Pruning makes networks small, e.g. by half."
    draw = random.Random(1)
    pairs = []
    for number in range(60):
        others = [
            f"{draw.choice(['Nets', 'Trees', 'Maps'])} are {draw.choice(['old', 'big'])} {number}." for _ in "abc"
        ]
        said = f"We show that case {number} holds."
        others.insert(draw.randrange(4), said)
        pairs.append((" ".join(others), said))
    assert learned(pairs)(ABSTRACT) == "We show that pruning works."
    assert learned([])(ABSTRACT) == lead(ABSTRACT), "nothing to learn from"
    assert [each("") for each in (lead, central, learned(pairs))] == ["", "", ""]


def test_words_are_those_of_any_writing() -> None:
    assert words("Café-Sicilia: £20-25!") == "café sicilia £ 20 25"


@pytest.mark.parametrize(
    ("reference", "answer", "tokenize"),
    [
        ("一个仓库里有三百二十桶咸鱼每天卖出十六桶", "一个仓库里有三百二十桶咸鱼每天卖十六桶", "zh"),
        ("昨日あの人が港で大きな声で叫んだ", "昨日あの人が港で大きい声で叫んだ", "char"),
        ("หมอกหนาปกคลุมโคมไฟทุกดวงในท่าเรือ", "หมอกหนาปกคลุมโคมไฟทุกดวงที่ท่าเรือ", "char"),
        ("кот сел на старый ковёр у окна", "кот сел на новый ковёр у окна", "13a"),
        ("सुबह के घने कोहरे ने हर लालटेन को ढक लिया", "सुबह के घने कोहरे ने हर दीपक को ढक लिया", "13a"),
    ],
)
def test_bleu_and_rouge_read_other_scripts(reference: str, answer: str, tokenize: str) -> None:
    known = Known(asked=[{"id": "p", "messages": turns("?", reference)}])
    rouge, bleu = TEXT_METRICS["rouge"].judge(known), TEXT_METRICS["bleu"].judge(known)
    right, nearly, wrong = (Written("?", [reference], text) for text in (reference, answer, "quite another"))
    assert set(rouge.fields(right).values()) == {1.0} and set(rouge.fields(wrong).values()) == {0.0}
    assert all(0.5 < value < 1 for value in rouge.fields(nearly).values())
    assert "rouge-score 0.1.2" not in rouge.methods[0] and "rouge-score reads Latin letters alone" in rouge.methods[0]
    theirs = sacrebleu.BLEU(tokenize=tokenize)
    expected = theirs.corpus_score([answer], [[reference]]).score
    assert float(bleu_of(np.array(bleu.fields(nearly)["bleu"], float))) == pytest.approx(expected, abs=1e-9)
    assert expected > 30 and bleu.methods[0].endswith(str(theirs.get_signature()))


def test_words_with_accents_are_read_as_rouge_score_reads_them() -> None:
    known = Known(asked=[{"id": "p", "messages": turns("?", "Größe über alles, élève")}])
    assert "rouge-score 0.1.2" in TEXT_METRICS["rouge"].judge(known).methods[0]


def test_every_rouge_says_which_it_is_for_variants_differ_by_much() -> None:
    reference, answer = "the cats sat\nthe dogs ran home", "the dogs ran\nthe cats sat home"
    (fields,) = judged("rouge", Written("", [reference], answer))
    plain, summary = (RougeScorer([name]).score(reference, answer)[name].fmeasure for name in ("rougeL", "rougeLsum"))
    stemmed = RougeScorer(["rougeL"], use_stemmer=True).score("the cat sits", "the cats sit")["rougeL"].fmeasure
    (other,) = judged("rouge", Written("", ["the cat sits"], "the cats sit"))
    assert fields["rouge_l"] == pytest.approx(plain) and summary > plain + 0.1 and stemmed > other["rouge_l"] + 0.1
    known = Known(asked=[{"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": reference}]}])
    for name, method in zip(("ROUGE-1", "ROUGE-2", "ROUGE-L"), TEXT_METRICS["rouge"].judge(known).methods, strict=True):
        assert method.startswith(f"{name}, mean F1") and "no stemming: rouge-score 0.1.2" in method
