"""Mix: several sets of documents or conversations as one set, and the proportions in which a model reads them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from lmworks.data.shards.records import Documents, shard_ids, write_ids, write_json_lines
from lmworks.data.tuning.conversations import Conversations, documents_of, is_conversations
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.units import link
from lmworks.recipe.schema import Reference, StepConfig


class CurriculumStage(StepConfig):
    """Proportions in one stage of a training."""

    until: float = Field(gt=0, le=1, description="End of the stage, as a share of the steps.")
    weights: dict[str, float] = Field(description="Weight of each part. Weights need not add up to 1.")


class Course(StepConfig):
    """Fields of proportions that change with size or time."""

    temperature: float = Field(
        default=1.0,
        gt=0,
        description="Exponent T: a part of n tokens without a weight is read in proportion to n^(1/T). At 1 parts keep "
        "their shares. Multilingual models use a higher T, so that small parts are not forgotten (1/T = 0.7: "
        "Conneau and Lample 2019, arXiv:1901.07291, and T = 5: Arivazhagan et al. 2019, arXiv:1907.05019).",
    )
    curriculum: list[CurriculumStage] = Field(
        default=[], description="Stages with their own weights. By default the weights stay the same in all steps."
    )


class Proportions(Course):
    """How much of each part a model reads, by tokens."""

    weights: dict[str, float] = Field(
        default={}, description="Weight of each part. If empty, `temperature` or `curriculum` decides."
    )
    max_epochs: dict[str, float] = Field(
        default={}, description="Maximum number of passes over each part. Parts without a number have no limit."
    )


class MixPart(StepConfig):
    """One part of a mixture."""

    documents: Reference = Field(alias="from", description="Documents or conversations of this part.")
    weight: float | None = Field(
        default=None, ge=0, description="Weight of the part, relative to the others. By default its size in tokens."
    )
    max_epochs: float | None = Field(
        default=None,
        gt=0,
        description="Maximum number of passes over this part. Other parts then take its share. By default no limit. "
        "Up to four passes taught nearly as much as new text (Muennighoff et al. 2023, arXiv:2305.16264).",
    )


class MixConfig(Course):
    """Mix sets of documents, sets of conversations, or one set of conversations with documents."""

    kind: Literal["mix"] = "mix"
    documents: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")], MixPart] = Field(
        alias="parts", min_length=1, description="Parts of the mix by name. A name has letters, digits, - and _."
    )

    @field_validator("curriculum")
    @classmethod
    def _stages_ascend(cls, value: list[CurriculumStage]) -> list[CurriculumStage]:
        ends = [each.until for each in value]
        if value and (ends != sorted(set(ends)) or ends[-1] != 1):
            raise ValueError(f"`until` must rise from stage to stage and end at 1; found {ends}")
        return value

    @model_validator(mode="after")
    def _weights_agree(self) -> Self:
        given = {name: part.weight for name, part in self.documents.items() if part.weight is not None}
        ways = [bool(given), bool(self.curriculum), "temperature" in self.model_fields_set]
        if sum(ways) > 1:
            raise ValueError("each part's `weight`, `temperature` and `curriculum` all set proportions; keep one")
        for weights in [given] * bool(given) + [each.weights for each in self.curriculum]:
            if weights.keys() != self.documents.keys():
                raise ValueError(
                    f"weights are of {sorted(weights)}, parts are {sorted(self.documents)}; state one weight per part"
                )
            if min(weights.values()) < 0 or not sum(weights.values()):
                raise ValueError("weights must be 0 or more, and at least one of them above 0")
        return self

    def proportions(self) -> Proportions:
        """Return the proportions without the documents."""
        parts = self.documents.items()
        return Proportions(
            weights={name: part.weight for name, part in parts if part.weight is not None},
            max_epochs={name: part.max_epochs for name, part in parts if part.max_epochs is not None},
            temperature=self.temperature,
            curriculum=self.curriculum,
        )


@stage(version=1, reads="documents")
def mix(config: MixConfig, documents: list[Documents], out: Path, context: Context) -> Result:
    """Write the documents, or the conversations, of all parts. Each is there once.

    Proportions do not change this step's output. They apply to a model with this step as `data`, which is trained on
    rows of each part in turn. Other steps that read this one, such as a tokenizer, read each document once. For a mix
    of documents and conversations only the ids are written, because only a model's `data` reads such a mix.
    """
    counts: dict[str, int] = {}
    parts = dict(zip(config.documents, documents, strict=True))
    talking = [name for name, part in parts.items() if is_conversations(part)]
    if talking and len(talking) < len(parts):
        ids = (line for part in documents for line in (part.path / "ids.txt").read_text(encoding="utf-8").split())
        write_ids(out, sorted(set(ids)))
        return Result()
    if talking:
        return _mix_conversations({name: Conversations(part.path, part.digest) for name, part in parts.items()}, out)
    shards = [shard for part in documents for shard in part.shards()]
    for number, shard in enumerate(shards):
        context.check_stop()
        link(shard, out / f"part-{number:05d}.parquet")
    for name, part in zip(config.documents, documents, strict=True):
        counts[f"{name} documents"] = part.count()
    write_ids(out, (name for name, _ in groupby(shard_ids(out))))
    return Result(counts=counts)


def _mix_conversations(parts: Mapping[str, Conversations], out: Path) -> Result:
    """Write the lines of all parts, sorted by id. Each id begins with the part's name."""
    named = {name: [{**line, "id": f"{name}/{line['id']}"} for line in part.iterate()] for name, part in parts.items()}
    lines = sorted((line for each in named.values() for line in each), key=lambda line: str(line["id"]))
    write_json_lines(out / "conversations.jsonl", lines)
    write_ids(out, sorted({name for line in lines for name in documents_of(line)}))
    return Result(counts={f"{name} conversations": len(each) for name, each in named.items()})
