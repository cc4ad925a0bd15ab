"""A model's texts for sources, compared with right texts by BLEU, chrF, ROUGE and further metrics.

Tasks of this family differ in their baselines and in their default metrics.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lmworks.data.tuning.conversations import Conversations, learned_from, references_of, source_of
from lmworks.engines.open import open_engine
from lmworks.engines.request import Sampling
from lmworks.evaluate.items import UNKNOWN, Item, Records, Scored, Tokens
from lmworks.evaluate.questions import (
    GenerationConfig,
    Question,
    Ways,
    answered,
    ask,
    draw,
    extraction_failures,
    put,
    result_of,
    shots,
)
from lmworks.evaluate.scoring import Scoring
from lmworks.evaluate.tasks.task import Task
from lmworks.evaluate.text_metrics import TEXT_METRICS, TextMetricName
from lmworks.evaluate.text_metrics.metric import Known, Written
from lmworks.model.baselines.writer import WRITERS, Writer
from lmworks.model.config import Family
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Handle, Result, Stage, stage
from lmworks.recipe.schema import Reference

SOURCES_AT_ONCE = 256
"""Sources per chunk, enough to compute sources of similar length together."""
Copy = Callable[[str], str]
"""Function that returns a baseline's text for a source."""
Learn = Callable[[Conversations], Copy]
"""Function that learns a baseline from pairs."""


class WritingConfig(GenerationConfig):
    """Fields of every text-to-text task."""

    limit: int | None = Field(
        None, ge=1, description="Number of pairs drawn. All by default, because BLEU is defined for a whole test set."
    )
    prompt: Ways = Field(
        "chat", description="Form of the prompt for decoders. Other models read the source, or `template` if it is set."
    )
    max_tokens: int = Field(128, ge=1, description="Most tokens of a target. Nearly all sentences are shorter.")
    beams: int = Field(4, ge=1, description="Beams of encoder-decoders, as in most papers. Decoders are greedy.")
    metrics: list[TextMetricName] = Field(
        default=["bleu", "chrf", "exact"], min_length=1, description="Metrics. The first leads, and all are compared."
    )
    timed: int = Field(
        default=0,
        ge=0,
        description="Number of sources to answer once more, one at a time, to measure how long a user waits. None by "
        "default, because it doubles the time. The manifest's block `run` has the times.",
    )

    def imports(self, folder: Path) -> Iterator[str]:
        yield from super().imports(folder)
        if {"bleu", "chrf"} & {*self.metrics}:
            yield "sacrebleu"

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        found = super().tokens(text_bytes, records)
        return found._replace(written=found.written + self.timed * self.max_tokens, beams=self.beams)

    def also_compared(self) -> list[str]:
        figures = [metric.name for name in self.metrics for metric in TEXT_METRICS[name].figures]
        return figures[1:]


class TextToTextTaskConfig(WritingConfig):
    """BLEU of targets written for sources."""

    kind: Literal["text-to-text"] = "text-to-text"


def model_stage(task: str, config: type[WritingConfig], version: int) -> Stage:
    """Return the stage of a task in which a model writes for the sources."""

    def evaluate(
        config: WritingConfig,
        model: ModelFolder,
        data: Conversations,
        train: Conversations | None,
        scoring: Scoring,
        style: Handle | None = None,
    ) -> Result:
        pairs, drawn = draw(list(data.iterate()), config)
        engine = open_engine(model.path, config.data_type, config.device)
        sampling = Sampling(config.max_tokens, beams=config.beams, stop=tuple(config.stop))
        shown = [] if engine.rewrites else shots(config, train)
        said, known = ask(
            config, model, pairs, scoring, shown=shown, sampling=sampling, engine=engine, at_once=SOURCES_AT_ONCE
        )
        asked = [each for each, _ in said]

        def write(pair: Question) -> None:
            engine.generate([put(config, engine, pair, shown).ids], sampling)

        measured = _timed(write, asked[: config.timed if engine.is_computing else 0])
        if measured:
            scoring.context.log(
                "a text alone takes {median_seconds:.3f} s, 95 of 100 at most {p95_seconds:.3f} s".format_map(measured)
            )
        written = partial(scoring.written, conditions=known)
        how = f"likeliest of {config.beams} beams" if engine.rewrites else f"greedy {config.told}"
        method = f"{drawn}, {how}, at most {config.max_tokens} tokens"
        return _judged(config, asked, [each for _, each in said], (train, style), written, method, measured)

    return _declared(evaluate, task, config, version, reads=["train"], measures=("model", "data"))


def baseline_stage(task: str, config: type[WritingConfig], version: int, how: str, learn: Learn) -> Stage:
    """Return the stage of a task in which a function, learned from the training pairs, writes for the sources."""

    def evaluate(
        config: WritingConfig, data: Conversations, train: Conversations, scoring: Scoring, style: Handle | None = None
    ) -> Result:
        pairs, drawn = draw(list(data.iterate()), config)
        write = learn(train)
        texts = [{"answer": write(source_of(pair)).strip()} for pair in pairs]
        return _judged(config, pairs, texts, (train, style), scoring.written, f"{drawn}, {how}")

    return _declared(evaluate, task, config, version, trains_on="train", measures="data")


def _declared(
    evaluate: Callable[..., Result], task: str, config: type[WritingConfig], version: int, **roles: Any
) -> Stage:
    """Return the stage of a function for one task. If the task's config has no field `style`, it reads none."""
    given = {"judges": "style"} if "style" in config.model_fields else {"never_given": "style"}
    name = f"evaluate-{task}".replace("_", "-")
    return stage(version=version, name=name, config=config, **given, **roles)(evaluate)


def _timed(write: Callable[[Question], None], pairs: Sequence[Question]) -> dict[str, float]:
    """Return the median and 95th percentile of seconds per text, one text at a time, after one to warm up.

    Processor seconds are summed over all cores. They are valid even if others use the machine.
    """
    if len(pairs) < 2:
        return {}
    taken: dict[str, list[float]] = {"seconds": [], "processor_seconds": []}
    for pair in [*pairs[:1], *pairs]:
        began = time.perf_counter(), time.process_time()
        write(pair)
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
    texts: Sequence[Item],
    read: tuple[Conversations | None, Handle | None],
    written: Callable[[Sequence[Item]], Scored],
    method: str,
    measured: Mapping[str, float] | None = None,
) -> Result:
    """Return the figures of texts. Metrics can use what was `read`: training pairs, and a classifier."""
    train, style = read
    known = Known(
        asked=pairs,
        train=list(train.iterate()) if train else [],
        style=style,
        style_label=getattr(config, "style_label", ""),
    )
    judges = [(TEXT_METRICS[name].figures, TEXT_METRICS[name].judge(known)) for name in config.metrics]
    items: list[Item] = []
    for pair, said in zip(pairs, texts, strict=True):
        told = Written(source_of(pair), references_of(pair), result_of(said))
        item = answered(pair, said["answer"], float(told.answer in told.references), said)
        for _, judge in judges:
            item |= judge.fields(told)
        items.append(item)
    found = written(items)
    figures = [
        found.figure(metric, f"{how}; {method}", judged=how)
        for metrics, judge in judges
        for metric, how in zip(metrics, judge.methods, strict=True)
    ]
    figures += extraction_failures(config, found, method)
    return found.result(*figures, measured=measured or {})


class FactsToTextConfig(WritingConfig):
    """BLEU and slot coverage of texts written from facts."""

    kind: Literal["facts-to-text"] = "facts-to-text"
    metrics: list[TextMetricName] = Field(
        default=["bleu", "slots", "chrf"],
        min_length=1,
        description="Metrics. The first leads, and all are compared. `style` needs a classifier.",
    )
    style: Reference | None = Field(
        default=None, description="Step of kind `classifier` that separates texts like the references from others."
    )
    style_label: str = Field(default="written", description="Label of the wanted style, as step `styles` writes it.")


class SummaryConfig(WritingConfig):
    """ROUGE of summaries."""

    kind: Literal["summary"] = "summary"
    metrics: list[TextMetricName] = Field(
        default=["rouge"],
        min_length=1,
        description="Metrics. The first leads, and all are compared. Papers quote ROUGE.",
    )


def _writing_task(
    name: str, config: type[WritingConfig], version: int, baselines: Mapping[str, tuple[str, str, Learn]]
) -> Task:
    """Return a task. Each baseline's label has the end of its stage's name, its method in words, and how it learns."""
    stages = {
        label: baseline_stage(f"{name}_{ending}", config, version, how, learn)
        for label, (ending, how, learn) in baselines.items()
    }
    families: tuple[Family, ...] = ("decoder", "encoder-decoder", "rented model")
    return Task(
        config,
        model_stage(name, config, version),
        stages,
        of=families,
        may_differ=["decoding"],
        further=["extraction_failures"],
    )


def _writer(name: Writer) -> Learn:
    return lambda train: WRITERS[name](learned_from(train))


TEXT_TO_TEXT = _writing_task(
    "text_to_text",
    TextToTextTaskConfig,
    9,
    {
        "copy-source": ("copy", "the source copied", lambda train: str),
        "word-table": ("words", "word by word as IBM model 1 learned from the training pairs", _writer("word-table")),
        "nearest-pair": (
            "nearest",
            "the target of the training pair whose source is most alike",
            _writer("nearest-pair"),
        ),
    },
)
FACTS_TO_TEXT = _writing_task(
    "facts_to_text",
    FactsToTextConfig,
    8,
    {
        "template": ("template", "a sentence a fact", _writer("template")),
        "nearest-facts": (
            "nearest",
            "the training text about the facts most alike, values exchanged",
            _writer("nearest-facts"),
        ),
    },
)
SUMMARY = _writing_task(
    "summary",
    SummaryConfig,
    8,
    {
        "lead-sentence": ("lead", "the first sentence", _writer("lead-sentence")),
        "central-sentence": (
            "central",
            "the sentence that shares most words with the others",
            _writer("central-sentence"),
        ),
        "learned-sentence": (
            "learned",
            "the sentence that a linear classifier takes, which learned from the training pairs",
            _writer("learned-sentence"),
        ),
    },
)
