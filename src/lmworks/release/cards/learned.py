"""Section of a card on the texts that a model learned from: whose they are, how many, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from markupsafe import Markup

from lmworks.data.privacy.anonymise import DONE, anonymise
from lmworks.data.sources.dataset import adapters
from lmworks.model.pretrained import NAME_ON_HUB
from lmworks.pipeline.lineage import Link
from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact
from lmworks.release.built import Built, files_read, is_model
from lmworks.release.cards.evidence import Evidence, Statement, Witness, row, say
from lmworks.release.cards.kinds import Kind
from lmworks.release.cards.layout import Block, Paragraph, Table
from lmworks.release.inspect import dataflow
from lmworks.release.render.words import number
from lmworks.release.trace.provenance import UNKNOWN, provenances


class Learned:
    """Texts that one model learned from, and statements about them."""

    def __init__(self, witness: Witness, artifact: Artifact, kind: Kind) -> None:
        self.witness, self.built, self.artifact, self.kind = witness, witness.built, artifact, kind
        self._own = witness.manifest(artifact, "config, inputs")

    @cached_property
    def _trained_on(self) -> list[Link]:
        return self.built.lineage.trained_on(self.artifact)

    @cached_property
    def _texts(self) -> tuple[Evidence, ...]:
        """Evidence of the texts that the model learned from, checked."""
        links = [link for link in self._trained_on if link.parent]
        above = [each for link in links if link.parent for each in self.built.lineage.read_from(link.parent)]
        for each in above:  # in which the source of a conversation is looked up
            if each.parent:
                self.witness.files(each.parent, "*.parquet")
        return tuple(one for link in links for one in self._texts_of(link))

    def _texts_of(self, link: Link) -> tuple[Evidence, ...]:
        inside = f"{link.part}/" if link.part else ""
        patterns = ("part-*.parquet", "conversations.jsonl", "preferences.jsonl")
        return tuple(
            each for form in patterns if link.parent for each in self.witness.files(link.parent, inside + form)
        )

    @cached_property
    def _read(self) -> dict[str, tuple[Evidence, ...]]:
        """Source → evidence of the files and records read from it, checked."""
        found: dict[str, tuple[Evidence, ...]] = {}
        for artifact in self.built.artifacts.values():
            if listing := self.witness.files(artifact, "files.json"):
                texts = (*listing, *self.witness.files(artifact, "*.parquet"))
                names = {file["source"] for file in files_read(artifact)}
                if dataflow.made_elsewhere(artifact):  # records then have sources of their own
                    names |= {each.source for each in provenances(self.built.lineage, artifact)}
                found |= {name: (*found.get(name, ()), *texts) for name in names}
        return found

    @cached_property
    def origins(self) -> list[dataflow.Origin]:
        """Sources and licences of the texts that the model learned from. If some are unknown, all sources read.

        Empty for an imported model.
        """
        _ = self._texts, self._read
        every = [] if self.kind.is_imported else dataflow.origins(self.built, [self.artifact])
        is_known = all(origin.licence != UNKNOWN.licence for origin in every)
        return [origin for origin in every if any(origin.used.values()) or not is_known]

    @property
    def sources(self) -> list[str]:
        """Sources from which any file or document was read."""
        return [origin.source for origin in self.origins if origin.files or origin.documents]

    @property
    def datasets(self) -> list[str]:
        """Names on Hugging Face of the data sets that its texts come from, if the recipe's sources state them."""
        used = {origin.source for origin in self.origins if any(origin.used.values())}
        read = [each for each in self.built.artifacts.values() if files_read(each)]
        named = [_on_hub(source) for each in read for source in each.manifest.config.get("sources", ())]
        return sorted({name for source, name in named if name and source in used})

    @property
    def licences(self) -> list[str]:
        """Licences of the base and of all texts that the model or its tokenizer learned from.

        If some of these texts are not known, the licences of all texts read.
        """
        used = {origin.licence for origin in self.origins if origin.licence}
        return sorted(used | {base.licence for base in self.kind.bases})

    @cached_property
    def languages(self) -> list[str]:
        """Languages of at least 1 % of the training documents, the most frequent first. Empty if no step detects them.

        Languages below 1 % are mostly errors of detection in texts of few words.
        """
        _ = self._texts
        counts: Counter[str] = Counter()
        for link in self._trained_on:
            found = provenances(self.built.lineage, link.parent, link.part) if link.parent else ()
            counts.update(each.language for each in found if each.language)
        return [language for language, count in counts.most_common() if count >= counts.total() / 100]

    def blocks(self) -> Iterator[Block]:
        """Yield the section on training data."""
        if self.origins:
            used = list(self.origins[0].used)
            header = ["source", "licence", "files", "documents read", *(f"in {name}" for name in used)]
            yield Table(header, [self._origin(each) for each in self.origins])
            yield Paragraph([*self.elsewhere, *self._joined()])
        yield Paragraph([*self._learned()])

    def _origin(self, origin: dataflow.Origin) -> Statement:
        evidence = (*self._read.get(origin.source, ()), *(self._texts if any(origin.used.values()) else ()))
        files = number(origin.files) if origin.files else "–"
        counts = [number(count) for count in (origin.documents, *origin.used.values())]
        return row([origin.source, origin.licence or "–", files, *counts], *(evidence or (self._own,)))

    @cached_property
    def elsewhere(self) -> list[Statement]:
        """Statements about documents that another build made."""
        said = []
        for artifact in self.built.artifacts.values():
            sources = dataflow.made_elsewhere(artifact)
            counts = Counter(file["source"] for file in files_read(artifact) if file["source"] in sources)
            for source, count in counts.items():
                form = (
                    "Another build made the documents of {source} ({files} there), which keep the source, licence "
                    "and "
                    "path of their records."
                )
                files = f"{number(count)} file{'s' if count != 1 else ''}"
                said.append(say(form, *self.witness.files(artifact, "files.json"), source=source, files=files))
        return said

    def _joined(self) -> Iterator[Statement]:
        more = Markup(", and of the published weights") if self.kind.bases else ""
        yield say(
            "The `license` above joins the licences of all texts that the weights or the tokenizer learned from{more}.",
            *(self._texts or (self._own,)),
            *(each for base in self.kind.bases for each in base.evidence),
            more=more,
        )

    def _learned(self) -> Iterator[Statement]:
        built, lineage = self.built, self.built.lineage
        for base in self.kind.bases:
            yield say(
                "The training texts of {base} are not known here, because it was published without them: ask its "
                "publisher.",
                self.witness.manifest(base.artifact, "inputs, config.path"),
                base=base.name,
            )
        if trained := dataflow.texts_at(self._trained_on):
            yield say("Its training data: {amounts}.", self._own, *self._texts, amounts=_amounts(trained))
        readings = dataflow.readings(built, self.artifact)
        if readings:
            parents = [link.parent for model in self.models for link in lineage.links(model, Role.TRAINS_ON)]
            yield say(
                "Rows that training read: {readings}.",
                *(self.witness.manifest(each, "counts") for each in (*self.models, *filter(None, parents))),
                readings="; ".join(_by_model(readings)),
            )
        tokenizers = dataflow.tokenizer_texts(built, self.artifact)
        if texts := dataflow.texts_at(tokenizers):
            evidence = [each for link in tokenizers for each in self._texts_of(link)]
            yield say("Its tokenizer was learned from {amounts}.", *(evidence or [self._own]), amounts=_amounts(texts))
        for how, links in helpers(built, self.artifact).items():
            named = ", ".join(dict.fromkeys(link.reference for link in links))
            owners = [self.witness.manifest(link.parent) for link in links if link.parent]
            yield say(f"{how} {{names}}.", self._own, *owners, names=named)
        for link in self._trained_on:
            if not link.parent:
                yield say(
                    "It was also trained on {link}, which is no longer in the store: its texts are unknown until "
                    "`lmworks build` makes it again.",
                    self._own,
                    link=link,
                )
        if self.origins and self._texts:
            yield from self._of_texts()

    def _of_texts(self) -> Iterator[Statement]:
        if self.languages:
            told = ", ".join(self.languages)
            yield say("Languages found in these texts: {languages}.", *self._texts, languages=told)
        else:
            yield say("Their languages are not known: a step with `filters: [language]` detects them.", *self._texts)
        private = searched(self.built, self.artifact)
        for each in private:
            found = sum(
                count for reason, count in each.manifest.counts.items() if reason.endswith(tuple(DONE.values()))
            )
            yield say(
                "The step {step} found and treated personal data at {found} places.",
                self.witness.manifest(each, "counts"),
                step=self.built.lineage.name_of(each),
                found=number(found),
            )
        if bare := unsearched(self.built, self.artifact):
            yield say(
                "No step looked for personal data in {them}: a step of `kind: anonymise` does.",
                *(self.witness.manifest(link.parent, "inputs") for link in self._trained_on if link.parent),
                them=", ".join(bare) if private else "them",
            )

    def limits(self) -> Iterator[Statement]:
        """Yield the limit of what the model can have learned, if no published weights are behind it."""
        if not self.kind.bases and all(link.parent for link in self.built.lineage.begun_with(self.artifact)):
            evidence = [self.witness.manifest(each, "inputs") for each in self.models]
            yield say("It learned only from the texts of its training data.", *evidence)

    @cached_property
    def models(self) -> list[Artifact]:
        """Models that its training began with, and the model itself."""
        begun_with = [link.parent for link in self.built.lineage.begun_with(self.artifact)]
        return [*(each for each in begun_with if each), self.artifact]


def searched(built: Built, model: Artifact) -> list[Artifact]:
    """Return the steps that searched for personal data in what a model learned from."""
    above = [each.artifact for each in built.lineage.ancestors(model)]
    return [each for each in above if each.stage == anonymise.name]


def unsearched(built: Built, model: Artifact) -> list[str]:
    """Return what a model learned from and no step, or only for a part, has searched for personal data."""
    found = built.lineage.trained_on(model)
    return [link.reference for link in found if not (link.parent and _is_searched(built, link.parent))]


def _is_searched(built: Built, texts: Artifact) -> bool:
    """Return whether all inputs of texts went through a step that searched for personal data."""
    read = [link.parent for link in built.lineage.links(texts, Role.READS)]
    before = [each for each in read if each and any(dataflow.holds_texts(path) for path in each.manifest.files)]
    return texts.stage == anonymise.name or (bool(before) and all(_is_searched(built, each) for each in before))


def helpers(built: Built, artifact: Artifact) -> dict[str, list[Link]]:
    """Return other models behind a model and those it began with: teachers, judges, and writers of training texts."""
    models = [artifact, *(link.parent for link in built.lineage.begun_with(artifact) if link.parent)]
    judges = [
        (model.manifest.config.get("objective") == "distillation", link)
        for model in models
        for link in built.lineage.links(model, Role.JUDGES)
    ]
    texts = [link.parent for link in built.lineage.trained_on(artifact) if link.parent]
    read = [link for each in texts for link in built.lineage.read_from(each)]
    found = {
        "It learned to answer as": [link for is_teacher, link in judges if is_teacher],
        "Its answers were judged by": [link for is_teacher, link in judges if not is_teacher],
        "Some of these texts were written by": [link for link in read if link.parent and is_model(link.parent)],
    }
    return {how: links for how, links in found.items() if links}


def _on_hub(source: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name that documents give to a source, and its name on Hugging Face. The latter is empty if unknown."""
    name, path = source.get("name") or "", PurePosixPath(source.get("path") or "")
    found = ""
    if source["kind"] == "dataset":
        row = adapters().get(source["dataset"])
        found = row.on_hub if row else ""
    elif source["kind"] == "huggingface":
        cached = [each.split("--", 2)[1:] for each in path.parts if each.startswith("datasets--")]
        found = name if NAME_ON_HUB.fullmatch(name) else "/".join(cached[-1]) if cached else ""
    return name or path.name, found


def _amounts(texts: Sequence[dataflow.Texts]) -> str:
    return ", then ".join(f"{number(each.count)} {each.unit} ({each.name})" for each in texts)


def _by_model(readings: Sequence[dataflow.Reading]) -> list[str]:
    names = dict.fromkeys(reading.model for reading in readings)
    return [f"{name}: {', '.join(str(each) for each in readings if each.model == name)}" for name in names]
