"""The card of a model, in Hugging Face's form: each sentence is made from evidence, and names it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from lmworks.pipeline.stage import Role
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built
from lmworks.release.cards.evidence import Statement, Witness, current, row, say
from lmworks.release.cards.head import head_of
from lmworks.release.cards.kinds import Base, kind_of, python_code, shell_code
from lmworks.release.cards.layout import Block, Bullets, Code, Folded, Heading, Paragraph, Table, render
from lmworks.release.cards.learned import Learned
from lmworks.release.cards.measured import answers_of, evaluation, failures_of, figure_evidence, gates_of, verdicts_of
from lmworks.release.inspect.verdicts import measured, trainings_in_doubt
from lmworks.release.render.tables import label_of
from lmworks.release.render.words import duration, number


def card_text(built: Built, artifact: Artifact, published_as: str | None = None) -> str:
    """Return the card as Markdown with a YAML head, for the store, or for a hub under a name.

    Raises LmworksError, with what to do, if a file or manifest behind it was changed after the build.
    """
    card = Card(built, artifact)
    return render(
        head_of(card.witness, card.name, card.kind, card.learned),
        f"{built.name}/{card.name}",
        card.blocks(published_as),
        None if published_as else built.store.root / "reports",
    )


def card_facts(store: Store, artifact: Artifact) -> dict[str, Any]:
    """Return facts for the chat page, named as in `PageContent`. Of each task only the leading figure is given."""
    built = Built.holding(store, artifact)
    card = Card(built, artifact)
    judged = {task: systems[card.name] for task, systems in card.built.judging().items() if card.name in systems}
    return {
        "name": f"{built.name}/{card.name}",
        "purpose": built.use_case,
        "parameters": parameters(artifact),
        "context_length": card.kind.shape.context_length if card.kind.shape else 0,
        "figures": [
            replace(figure, name=f"{task}: {label_of(figure)}")
            for task, evaluation in judged.items()
            for figure in evaluation.manifest.figures[:1]
        ],
        "licences": card.learned.licences,
        "digest": artifact.digest(),
        "advice": [*(each.plain for each in answers_of(card.witness, card.name)), card.advice().plain],
        "failures": failures_of(card.witness, card.name),
    }


def parameters(artifact: Artifact) -> int:
    """Return the number of a model's parameters."""
    return int(artifact.manifest.counts.get("parameters", 0))


class Card:
    """Statements about one model."""

    def __init__(self, built: Built, artifact: Artifact) -> None:
        """Gather the evidence. Raises LmworksError if a file behind the card was changed."""
        self.built, self.outdated = current(built)
        self.artifact, self.witness = artifact, Witness(self.built)
        self.name = built.step_of(artifact) or artifact.manifest.step
        self.behind = self.witness.require_known(artifact, self.name)
        artifact.require_sound()
        self.kind = kind_of(self.witness, artifact)
        self.learned = Learned(self.witness, artifact, self.kind)

    def blocks(self, published_as: str | None = None) -> list[Block]:
        """Return the whole card, in order."""
        measured, gates = evaluation(self.witness, self.name), gates_of(self.witness, self.name)
        return [
            Bullets([*gates, *answers_of(self.witness, self.name), *verdicts_of(self.witness, self.name)]),
            Heading("What it is"),
            Paragraph([*self._is(), *self._made()]),
            Heading("What it is for"),
            Paragraph([self._for()]),
            Heading("What it is not for"),
            Paragraph([self._not_written(), *self._measured_by()]),
            Heading("Training data"),
            *self.learned.blocks(),
            Heading("Evaluation"),
            *(measured or [Paragraph([*self._unmeasured()])]),
            Heading("Limits"),
            Bullets([*self._doubts(), *self._unsealed(), *self._outdated(), *self._context(), *self.learned.limits()]),
            Heading("Lineage"),
            Folded("Every step behind it", [*self._lineage()]),
            Heading("How to load it"),
            *self._loading(published_as),
            *self._settings(),
        ]

    def advice(self) -> Statement:
        """Return one sentence that a user should read before she relies on an answer: the worst result measured."""
        steps = self.witness.record("steps")
        results = measured(self.built, [self.name])
        if not results:
            return say("Check every answer: no task has measured how good the answers are.", steps)
        worst = min(results, key=lambda each: (not each.baseline_wins, each.is_better, each.baseline_value is None))
        form = "Check every answer: in {task} it reaches {value} {label}, and no baseline was measured."
        if worst.baseline_value is not None:
            than = "which is better than" if worst.is_better else "not shown to be better than"
            if worst.baseline_wins:
                than = "which is worse than"
            form = (
                "Check every answer: in {task} it reaches {value} {label}, " + than + " the {theirs} of the baseline "
                "{baseline}."
            )
        evaluation = self.built.evaluations()[worst.task][self.name]
        return say(
            form,
            *figure_evidence(self.witness, evaluation, evaluation.manifest.figures[0]),
            task=worst.task.replace("-", " "),
            value=f"{worst.figure.value:.2f}",
            label=worst.label,
            theirs=f"{worst.baseline_value or 0:.2f}",
            baseline=worst.baseline,
        )

    # ------------------------------------------------------------ what it is

    def _is(self) -> Iterator[Statement]:
        kind = self.kind
        config = self.witness.files(self.artifact, "config.json")
        if kind.shape is None:
            form = "A model for which the engine {engine} answers, and which {does}."
            if kind.is_counted:
                form = "A model of the kind {engine}, no neural network: it {does}, from counts in its training texts."
            yield say(form, *config, engine=kind.engine, does=kind.does)
        else:
            found = self.witness.content(self.artifact, "config.json")
            form = (
                "A {family} of {parameters} parameters ({type}, {layers} layers, hidden size {size}), which reads up "
                "to {tokens} tokens and {does}."
            )
            if found.get("is_encoder_decoder"):
                form = (
                    "An {family} of {parameters} parameters ({type}, {layers} layers in encoder and decoder each, "
                    "hidden "
                    "size {size}), which {does}."
                )
            yield say(
                form.replace("A {family}", "An {family}") if kind.family == "encoder" else form,
                self.witness.manifest(self.artifact, "counts.parameters"),
                *config,
                family="language model" if kind.family in (None, "decoder") else kind.family,
                parameters=number(parameters(self.artifact)),
                type=found.get("model_type", "its type is not known"),
                layers=kind.shape.num_layers,
                size=kind.shape.hidden_size,
                tokens=number(kind.shape.context_length),
                does=kind.does,
            )
        digest = self.artifact.digest()
        yield say("Its digest is `{digest}`.", self.witness.manifest(self.artifact, "files"), digest=digest)

    def _made(self) -> Iterator[Statement]:
        """Yield who made the model's weights, and when."""
        manifest = self.artifact.manifest
        if self.kind.is_imported:
            base = self.kind.bases[-1]
            form = "lmworks did not make it: the step {step} imported it as it was published, {base}."
            yield say(form, *base.evidence, step=self.name, base=_named(base))
            for count, form in (
                ("tokens added", "Tokens that the import added to its vocabulary, each with a row of weights: {n}."),
                ("matrices adapted", "Matrices to which the import added a published adapter: {n}."),
            ):
                if found := manifest.counts.get(count):
                    yield say(form, self.witness.manifest(self.artifact, f"counts.{count}"), n=number(found))
            return
        begins = self.built.lineage.links(self.artifact, Role.BEGINS_WITH)
        how = f"tuned {begins[0].reference}" if begins else "trained it from random weights"
        run = manifest.run
        yield say(
            "lmworks {version} made it in the step {step} of the recipe {recipe}, which {how} ({objective}) on "
            "{date}, in "
            "{time} on {processor}.",
            self.witness.manifest(self.artifact, "step, config, inputs, libraries, run"),
            self.witness.record("steps"),
            version=manifest.libraries.get("lmworks", "of an unknown version"),
            step=self.name,
            recipe=self.built.name,
            how="counted it" if self.kind.is_counted else how,
            objective=manifest.config.get("objective", self.artifact.stage),
            date=datetime.fromtimestamp(run.started, UTC).date().isoformat(),
            time=duration(run.seconds),
            processor=run.processor or "a processor that is not known",
        )
        for link in self.built.lineage.begun_with(self.artifact):
            if not link.parent:
                form = "Its training began with {link}, which is no longer in the store: who made it is not known."
                yield say(form, self.witness.manifest(self.artifact, "inputs"), link=link)
        for base in self.kind.bases:
            form = "Its training began with published weights that lmworks did not make: {base}."
            yield say(form, *base.evidence, base=_named(base))
        if adapter := self.witness.files(self.artifact, "adapter/*"):
            form = "`adapter/` holds what was learned as a PEFT adapter, which is also merged into the weights."
            yield say(form, *adapter)

    def _for(self) -> Statement:
        if use := self.built.use_case:
            form = "The file of its recipe, as it is now, states this use: {use}."
            return say(form, self.witness.recipe("use_case"), use=use)
        return say("Its recipe is gone, so its intended use is not known.", self.witness.recipe("use_case"))

    def _not_written(self) -> Statement:
        return say(
            "The recipe states only a use: the person who is responsible for the model has to add here what it must "
            "not "
            "be used for, and which risks were accepted.",
            self.witness.recipe(*self.built.fields),
        )

    def _measured_by(self) -> Iterator[Statement]:
        if tasks := [task for task, systems in self.built.evaluations().items() if self.name in systems]:
            yield say(
                "It was measured only by {tasks}: nothing more is known about bias, safety, and fitness for decisions "
                "about "
                "people.",
                self.witness.record("steps"),
                tasks=", ".join(tasks),
            )

    def _outdated(self) -> Iterator[Statement]:
        if self.outdated:
            form = "Not shown, because they measured an earlier model (`lmworks build` measures again): {n}."
            yield say(form, self.witness.record("steps"), n=", ".join(self.outdated))

    def _unmeasured(self) -> Iterator[Statement]:
        steps = self.witness.record("steps")
        yield say("Nothing has been measured, so it is not known how good it is.", steps)
        yield say("`lmworks build` measures the models that `evaluate.models` of the recipe names.", steps)

    # ------------------------------------------------------------ limits

    def _unsealed(self) -> Iterator[Statement]:
        if unsealed := [each for each in self.behind if not each.manifest.is_sealed]:
            yield say(
                "The manifests of these steps have no seal, because an earlier lmworks wrote them, so changes cannot "
                "be detected (`lmworks build --rebuild` makes a step again): {n}.",
                *map(self.witness.manifest, unsealed),
                n=", ".join(dict.fromkeys(map(self.built.lineage.name_of, unsealed))),
            )

    def _context(self) -> Iterator[Statement]:
        kind = self.kind
        if kind.shape and kind.family not in ("encoder-decoder", "token classifier"):
            yield say(
                "A text longer than {tokens} tokens is {read}.",
                *self.witness.files(self.artifact, "config.json", "max_position_embeddings"),
                tokens=number(kind.shape.context_length),
                read="not read" if kind.writes else "read only up to there",
            )

    def _doubts(self) -> Iterator[Statement]:
        evidence = self.witness.files(self.artifact, "examples.jsonl", "verdict, text")
        for doubt in trainings_in_doubt(self.built) if evidence else ():
            if doubt.model == self.name:
                first, *more = re.split(r"(?<=[.!?])\s+(?=[A-Z])", doubt.text)
                yield say("Result of its training: {text}.", *evidence, text=first.rstrip("."))
                yield from (say("{text}.", *evidence, text=each.rstrip(".")) for each in more)

    # ------------------------------------------------------------ lineage, code, settings

    def _lineage(self) -> Iterator[Block]:
        steps, manifest = self.built.lineage.ancestors(self.artifact), self.witness.manifest
        yield Table(
            ["step", "stage", "digest"],
            [
                row(
                    [each.step, each.artifact.stage, _hex(each.artifact.digest()[:16])],
                    manifest(each.artifact, "files"),
                )
                for each in steps
            ],
        )
        said = []
        if names := dict.fromkeys(link.reference for each in steps for link in each.links if link.is_stand_in):
            form = (
                "Another build made these inputs, and this card describes artifacts of this build that have equal "
                "content: {n}."
            )
            said.append(say(form, self.witness.record("steps"), n=", ".join(names)))
        traced = any(each.artifact.manifest.files.keys() >= {"files.json"} for each in steps)
        if traced:
            form = "`lmworks trace {name}` shows each file that was read here, with its sha256{more}."
            more = ", and the source, licence and path that records of another build state"
            evidence = [each for step in steps for each in self.witness.files(step.artifact, "files.json")]
            said.append(say(form, *evidence, name=self.name, more=more if self.learned.elsewhere else ""))
        yield Paragraph(said)

    def _loading(self, published_as: str | None) -> Iterator[Block]:
        folder = published_as or os.path.relpath(self.artifact.payload, self.built.recipe.parent)
        if python := python_code(self.kind, folder):
            yield Code("python", python)
        else:
            evidence = self.witness.files(self.artifact, "config.json", "lmworks_engine")
            yield Paragraph([say("No other tool can load it.", *evidence)])
        model = published_as.rpartition("/")[2] if published_as else self.name
        is_measured = not published_as and self.built.measures(self.artifact)
        if shell := shell_code(self.kind, model, is_measured=is_measured):
            yield Code("sh", shell)

    def _settings(self) -> Iterator[Block]:
        if training := self.witness.content(self.artifact, "training.json"):
            yield Heading("Training settings")
            said = say("Its training had these settings:", *self.witness.files(self.artifact, "training.json"))
            code = Code("json", json.dumps(training, indent=1, ensure_ascii=False))
            yield Folded("All settings", [Paragraph([said]), code])


def _named(base: Base) -> str:
    revision = f" at revision {base.revision[:12]}" if base.revision else ""
    fewer = ", read from a file with fewer bits per weight" if base.is_quantised else ""
    unknown = "" if base.is_on_hub else ", whose name on a hub is not known"
    return f"{base.name}{revision}{unknown} (licence {base.licence}, as the recipe states){fewer}"


def _hex(digest: str) -> Markup:
    return Markup(f"`{digest}`")  # noqa: S704 - hexadecimal digits
