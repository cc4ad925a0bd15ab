"""What a model makes of sources, beside what would be right: BLEU, chrF, ROUGE and what else is asked for.

Tasks of this family differ in their baselines and in the metrics that they take unless told otherwise.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations, question_of, said_before
from lmworks.data.tuning.facts import parse_facts, verbalise
from lmworks.engines.open import open_engine
from lmworks.engines.request import Sampling
from lmworks.evaluate.baselines import one_sentence
from lmworks.evaluate.baselines.nearest_facts import NearestFacts
from lmworks.evaluate.contamination import Contamination
from lmworks.evaluate.items import Item, Scored, evidence
from lmworks.evaluate.questions import Question, QuestionsConfig, answered, chat_prompt, draw
from lmworks.evaluate.text_metrics import TEXT_METRICS, TextMetricName
from lmworks.evaluate.text_metrics.metric import Known, Written, references_of, source_of
from lmworks.model.device import find_device
from lmworks.model.folder import ModelFolder, family_of
from lmworks.model.published import load_published
from lmworks.pipeline.chunks import in_chunks
from lmworks.pipeline.files import canonical_json, digest_text
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.recipe.schema import Reference

SOURCES_AT_ONCE = 256
"""Enough that those of like length can be computed together."""
Write = Callable[[Sequence[Question]], list[str]]


class WritingConfig(QuestionsConfig):
    """What every task of this family is asked."""

    limit: int | None = Field(None, ge=1, description="Pairs drawn; all, since BLEU is of a whole test set.")
    prompt: Literal["chat"] = Field("chat", description="A source has no other form; decoders are asked it in a chat.")
    max_tokens: int = Field(128, ge=1, description="Where a target is cut: longer than nearly all sentences.")
    beams: int = Field(4, ge=1, description="Of encoder-decoders, as in most published figures; decoders are greedy.")
    metrics: list[TextMetricName] = Field(
        default=["bleu", "chrf", "exact"], min_length=1, description="The first leads; all are compared in."
    )
    timed: int = Field(
        default=0,
        ge=0,
        description="Sources whose texts are written one at a time once more, and timed: what one user waits for. "
        "None, for it takes as long again. The times stand in the manifest's block `run`.",
    )

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if {"bleu", "chrf"} & {*self.metrics}:
            yield "sacrebleu"

    def also_compared(self) -> list[str]:
        figures = [metric.name for name in self.metrics for metric in TEXT_METRICS[name].figures]
        return figures[1:]


class TextToTextTaskConfig(WritingConfig):
    """BLEU of targets written for sources."""

    kind: Literal["text-to-text"] = "text-to-text"


@stage(version=4, reads=("train", "contamination"), measures=("model", "data"))
def evaluate_text_to_text(
    config: TextToTextTaskConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """Let a model write, and compare with the targets."""
    return judge_model(config, model, data, train, contamination, out, context)


@stage(version=4, trains_on="train", reads="contamination", measures="data")
def evaluate_text_to_text_copy(
    config: TextToTextTaskConfig,
    data: Conversations,
    train: Conversations,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figures for the source as it is."""
    return judge_baseline(config, data, train, contamination, out, str, "the source copied")


@stage(version=4, trains_on="train", reads="contamination", measures="data")
def evaluate_text_to_text_words(
    config: TextToTextTaskConfig,
    data: Conversations,
    train: Conversations,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figures for a word table learned from the training pairs."""
    from lmworks.evaluate.baselines.word_table import WordTable

    table = WordTable.fit(learned_from(train))
    how = "word by word as IBM model 1 learned from the training pairs"
    return judge_baseline(config, data, train, contamination, out, table.translate, how)


def judge_model(
    config: WritingConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    contamination: Contamination | None,
    out: Path,
    context: Context,
    **more: Any,
) -> Result:
    """The figures of a model. `more` goes to `Known`."""
    pairs, drawn = draw(list(data.iterate()), config)
    write, how, known = _writer(config, model.path, [said_before(pair) for pair in pairs])
    texts = in_chunks(
        context,
        pairs,
        SOURCES_AT_ONCE,
        lambda some: [{"answer": text.strip()} for text in write(some)],
    )
    measured = _timed(write, pairs[: config.timed])
    if measured:
        context.log(
            "a text alone takes {median_seconds:.3f} s, 95 of 100 at most {p95_seconds:.3f} s".format_map(measured)
        )
    method = f"{drawn}, {how}, at most {config.max_tokens} tokens"
    return _judged(
        config,
        pairs,
        [text["answer"] for text in texts],
        method,
        train,
        contamination,
        out,
        more,
        conditions=known,
        measured=measured,
    )


def judge_baseline(
    config: WritingConfig,
    data: Conversations,
    train: Conversations,
    contamination: Contamination | None,
    out: Path,
    write: Callable[[str], str],
    how: str,
    **more: Any,
) -> Result:
    """The figures of a function from source to text."""
    pairs, drawn = draw(list(data.iterate()), config)
    texts = [write(source_of(pair)).strip() for pair in pairs]
    return _judged(config, pairs, texts, f"{drawn}, {how}", train, contamination, out, more)


def learned_from(train: Conversations) -> list[tuple[str, str]]:
    """(source, target) of the pairs that baselines learn from."""
    return [(source_of(pair), text) for pair in train.iterate() for text in references_of(pair)]


def _writer(config: WritingConfig, folder: Path, asked: Sequence[str]) -> tuple[Write, str, dict[str, Any]]:
    """How a model writes, in words too, and the conditions under which its figures hold."""
    if family_of(folder) != "encoder-decoder":
        engine, sampling = open_engine(folder, config.data_type, config.device), Sampling(config.max_tokens)

        def answer(pairs: Sequence[Question]) -> list[str]:
            prompts = [chat_prompt(pair, engine.tokenizer).ids for pair in pairs]
            return [each.text for each in engine.generate(prompts, sampling)]

        return answer, "greedy in a chat", evidence(engine, asked)
    from lmworks.engines.seq2seq import rewrite
    from lmworks.tokens.tokenizer import open_tokenizer

    device, tokenizer = find_device(config.device), open_tokenizer(folder)
    module = load_published(folder, "AutoModelForSeq2SeqLM", config.data_type).to(device)

    def translate(pairs: Sequence[Question]) -> list[str]:
        ids = tokenizer.encode_batch([question_of(pair) for pair in pairs])
        return [tokenizer.decode(row) for row in rewrite(module, ids, config.max_tokens, config.beams)]

    digest = digest_text(canonical_json(list(asked)))
    known = {"prompt_digest": digest, "data_type": config.data_type, "device": device.type}
    return translate, f"likeliest of {config.beams} beams", known


def _timed(write: Write, pairs: Sequence[Question]) -> dict[str, float]:
    """Seconds that a text takes alone, median and 95th percentile, after one that warms up.

    Those of the processor, of all its cores together, hold where others use the machine, too.
    """
    if len(pairs) < 2:
        return {}
    taken: dict[str, list[float]] = {"seconds": [], "processor_seconds": []}
    for pair in [*pairs[:1], *pairs]:
        began = time.perf_counter(), time.process_time()
        write([pair])
        taken["seconds"].append(time.perf_counter() - began[0])
        taken["processor_seconds"].append(time.process_time() - began[1])
    found: dict[str, float] = {"timed_texts": len(pairs)}
    for name, (_, *each) in taken.items():
        found[f"median_{name}"] = statistics.median(each)
        found[f"p95_{name}"] = statistics.quantiles(each, n=20, method="inclusive")[-1]
    return found


def _judged(
    config: WritingConfig,
    pairs: Sequence[Question],
    texts: Sequence[str],
    method: str,
    train: Handle | None,
    contamination: Contamination | None,
    out: Path,
    more: dict[str, Any],
    conditions: dict[str, Any] | None = None,
    measured: dict[str, float] | None = None,
) -> Result:
    learned = list(Conversations(train.path, "").iterate()) if train else []
    known = Known(asked=pairs, train=learned, **more)
    judges = [(TEXT_METRICS[name].figures, TEXT_METRICS[name].judge(known)) for name in config.metrics]
    items: list[Item] = []
    for pair, text in zip(pairs, texts, strict=True):
        written = Written(source_of(pair), references_of(pair), text)
        item = answered(pair, text, float(text in written.references))
        for _, judge in judges:
            item |= judge.fields(written)
        items.append(item)
    found = Scored.written(items, out, contamination, **(conditions or {}))
    figures = [
        found.figure(metric, f"{how}; {method}")
        for metrics, judge in judges
        for metric, how in zip(metrics, judge.methods, strict=True)
    ]
    return found.result(*figures, measured=measured or {})


class FactsToTextConfig(WritingConfig):
    """BLEU and slot coverage of texts written from facts."""

    kind: Literal["facts-to-text"] = "facts-to-text"
    metrics: list[TextMetricName] = Field(
        default=["bleu", "slots", "chrf"],
        min_length=1,
        description="The first leads; all are compared in. `style` needs a classifier.",
    )
    style: Reference | None = Field(
        default=None, description="A step of kind `classifier` that tells texts like the references from others."
    )
    style_label: str = Field(default="written", description="Its label of those; as the data step `styles` has it.")


@stage(version=3, reads=("train", "contamination"), judges="style", measures=("model", "data"))
def evaluate_facts_to_text(
    config: FactsToTextConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    style: Handle | None,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """Let a model write about facts."""
    return judge_model(
        config, model, data, train, contamination, out, context, style=style, style_label=config.style_label
    )


@stage(version=3, trains_on="train", reads="contamination", judges="style", measures="data")
def evaluate_facts_to_text_template(
    config: FactsToTextConfig,
    data: Conversations,
    train: Conversations,
    style: Handle | None,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figures for a template: one plain sentence a fact."""
    more = {"style": style, "style_label": config.style_label}
    return judge_baseline(
        config,
        data,
        train,
        contamination,
        out,
        lambda source: verbalise(parse_facts(source)),
        "a sentence a fact",
        **more,
    )


@stage(version=3, trains_on="train", reads="contamination", judges="style", measures="data")
def evaluate_facts_to_text_nearest(
    config: FactsToTextConfig,
    data: Conversations,
    train: Conversations,
    style: Handle | None,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figures for the training text whose facts are most alike, with the values exchanged."""
    nearest = NearestFacts(learned_from(train))
    how = "the training text about the facts most alike, values exchanged"
    more = {"style": style, "style_label": config.style_label}
    return judge_baseline(config, data, train, contamination, out, nearest.write, how, **more)


class SummaryConfig(WritingConfig):
    """ROUGE of summaries."""

    kind: Literal["summary"] = "summary"
    metrics: list[TextMetricName] = Field(
        default=["rouge"], min_length=1, description="The first leads; all are compared in. ROUGE is what papers quote."
    )


@stage(version=3, reads=("train", "contamination"), measures=("model", "data"))
def evaluate_summary(
    config: SummaryConfig,
    model: ModelFolder,
    data: Conversations,
    train: Conversations | None,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """Let a model summarise."""
    return judge_model(config, model, data, train, contamination, out, context)


@stage(version=3, trains_on="train", reads="contamination", measures="data")
def evaluate_summary_lead(
    config: SummaryConfig,
    data: Conversations,
    train: Conversations,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figures for the first sentence."""
    return judge_baseline(config, data, train, contamination, out, one_sentence.lead, "the first sentence")


@stage(version=3, trains_on="train", reads="contamination", measures="data")
def evaluate_summary_central(
    config: SummaryConfig,
    data: Conversations,
    train: Conversations,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figures for the sentence that shares most words with the others."""
    how = "the sentence that shares most words with the others"
    return judge_baseline(config, data, train, contamination, out, one_sentence.central, how)


@stage(version=3, trains_on="train", reads="contamination", measures="data")
def evaluate_summary_learned(
    config: SummaryConfig,
    data: Conversations,
    train: Conversations,
    out: Path,
    context: Context,
    contamination: Contamination | None = None,
) -> Result:
    """The same figures for the sentence that a classifier, trained on the training pairs, would take."""
    how = "the sentence that a linear classifier takes, which learned from the training pairs"
    return judge_baseline(config, data, train, contamination, out, one_sentence.learned(learned_from(train)), how)
