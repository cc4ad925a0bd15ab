"""A model that is opened to answer texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.engines.open import open_reward_model
from lmworks.engines.protocol import Ability, Asked, Classified, Embedded, Engine, LongSamples, Messages, Tagged
from lmworks.engines.request import Piece, Sampling
from lmworks.errors import LmworksError, UsageError
from lmworks.knowledge.quoting import holds_passages
from lmworks.model.device import AUTO
from lmworks.model.folder import family_of
from lmworks.pipeline.lineage import Lineage
from lmworks.pipeline.store import Artifact, Store
from lmworks.predict.rows import Row
from lmworks.predict.run import Asking, digest_of_folder, request_of
from lmworks.release.gates import refusal_reason, stored_as
from lmworks.release.serving import open_answering, require_answers
from lmworks.stores import find_one

if TYPE_CHECKING:
    from lmworks.evaluate.choices import Likelihood


@dataclass(frozen=True)
class Model:
    """A model that answers texts. `open_model` opens one. It raises an error for abilities that its family lacks."""

    folder: Path
    """Its folder in Hugging Face's layout: config.json, model.safetensors, tokenizer.json."""
    digest: str
    engine: Engine

    @property
    def can(self) -> frozenset[Ability]:
        """Abilities: "generate", "classify", "tag" or "embed". Empty for a model that only scores."""
        return self.engine.can

    def generate(
        self,
        texts: Sequence[str | Messages],
        *,
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int = 0,
        seed: int = 0,
        stop: Sequence[str] = (),
    ) -> list[Piece]:
        """Generate answers to several texts together.

        Args:
            texts: Each is a user's turn, or a list of turns with `role` and `content`. A model without a chat template
                continues the text instead.
            max_tokens: Maximum number of tokens of an answer.
            temperature: 0 takes the likeliest token, 1 draws from the model's own distribution.
            top_p: Draw only from the smallest set of likeliest tokens whose probabilities add up to this share.
            top_k: Draw only from this number of likeliest tokens. 0 allows all.
            seed: Seed of sampling above temperature 0.
            stop: Strings. An answer ends before the first of them.

        Returns:
            One answer per text, in order: `text`, `finish_reason` ("stop" or "length"), and `thoughts` if any.

        Raises:
            LmworksError: The model cannot generate text, or a text leaves no room for an answer.

        Example:
            >>> open_model("finetune").generate(["What does CreateBucket do?"])[0].text
        """
        sampling = _sampling(max_tokens, temperature, top_p, top_k, seed, tuple(stop))
        asked = self._asked("generate", texts, sampling)
        return [each for each in self.engine.answer(asked) if isinstance(each, Piece)] if asked else []

    def stream(
        self, text: str | Messages, *, max_tokens: int = 256, temperature: float = 0.0, seed: int = 0
    ) -> Iterator[str]:
        """Return an iterator over the pieces of one answer as it is generated. For the arguments, see `generate`.

        Example:
            >>> for piece in model.stream("What does CreateBucket do?"):
            ...     print(piece, end="", flush=True)
        """
        asked = self._asked("generate", [text], _sampling(max_tokens, temperature, 1.0, 0, seed, ()))
        return (piece.text for _, piece in self.engine.submit(asked) if isinstance(piece, Piece))

    def classify(self, texts: Sequence[str], long_samples: LongSamples = "truncate") -> list[Classified]:
        """Predict the label of every text.

        Args:
            texts: The texts to classify.
            long_samples: For texts that are too long, "truncate" reads the beginning and "split" reads all parts.

        Returns:
            Per text: `label`, `probability`, `probabilities` by label, and whether its end was not read (`is_cut`).

        Raises:
            Cannot: The model predicts no labels.

        Example:
            >>> [each.label for each in open_model("tuned").classify(["Where is my parcel?"])]
        """
        self._asked("classify", texts)
        return self.engine.classify(texts, long_samples) if texts else []

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        """Find the spans of every text: `spans` are triples of label, start and end in characters.

        Raises `Cannot` if the model cannot find spans.
        """
        self._asked("tag", texts)
        return self.engine.tag(texts) if texts else []

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """Return a `vector` of length 1 for every text. Raises `Cannot` if the model cannot make vectors."""
        self._asked("embed", texts)
        return self.engine.embed(texts) if texts else []

    def score(self, questions: Sequence[tuple[str, Sequence[str]]]) -> list[list[Likelihood]]:
        """Return how likely the model finds texts after a prompt.

        Args:
            questions: Prompts, each with the texts that could follow it. Use an empty prompt to score texts alone.

        Returns:
            A list per prompt, with `log_likelihood` (natural logarithm), `tokens` and `bytes` of each text.

        Raises:
            LmworksError: The model does not generate token by token, or a text is longer than its context.

        Example:
            >>> model.score([("The sky is", [" blue", " loud"])])[0][0].log_likelihood
        """
        from lmworks.engines.decoder import DecoderEngine
        from lmworks.evaluate.choices import LikelihoodConfig, judge

        if not isinstance(self.engine, DecoderEngine) or self.is_reward:
            raise LmworksError(f"{self.folder}: {self.engine.refused('generate')}, token by token")
        config = LikelihoodConfig(kind="score", data="questions")
        return [list(each.texts) for each in judge(self.engine, config, questions, "")]

    def reward(self, conversations: Sequence[Messages]) -> list[float]:
        """Return a reward model's score of the last turn of each conversation. Only differences have a meaning.

        Raises `LmworksError` if the model is not a reward model.
        """
        from lmworks.engines.decoder import DecoderEngine

        if not isinstance(self.engine, DecoderEngine) or not self.is_reward:
            raise LmworksError(f"{self.folder}: this is not a reward model; it {' and '.join(self.can)}s")
        return self.engine.scores([self.engine.tokenizer.encode_chat(turns)[0] for turns in conversations])

    @cached_property
    def is_reward(self) -> bool:
        """Whether it is a reward model."""
        return family_of(self.folder) == "reward model"

    def _asked(self, ability: Ability, texts: Sequence[Any], sampling: Sampling | None = None) -> list[Asked]:
        if ability not in self.can:
            raise self.engine.refused(ability)
        if isinstance(texts, str):
            raise UsageError(f"found the text {texts!r:.60}; expected a list of texts, such as [text]")
        asking, asked = Asking(ability, sampling=sampling or Sampling(1)), []
        for number, text in enumerate(texts, 1):
            try:
                asked.append(request_of(self.engine, asking, Row(f"text {number}", {asking.text: text})))
            except LmworksError as error:
                raise LmworksError(f"text {number} of {len(texts)}: {error}") from error
        return asked


def _sampling(
    max_tokens: int, temperature: float, top_p: float, top_k: int, seed: int, stop: tuple[str, ...]
) -> Sampling:
    try:
        return Sampling(max_tokens, temperature, top_p, top_k, seed, stop)
    except ValueError as error:
        raise UsageError(str(error)) from None


def open_model(model: str | Path, store: str | Path | None = None, *, device: str = AUTO) -> Model:
    """Open a model, so that it can answer texts.

    Args:
        model: A step of the last build, the start of an artifact's digest, a recipe file (its served model), or a
            model folder in Hugging Face's layout, built by lmworks or published.
        store: Folder of artifacts. By default the one of the last build in this folder or above.
        device: Where to compute: "auto", "cpu", "cuda", "cuda:1" …

    Returns:
        The model, with its weights in memory.

    Raises:
        UsageError: There is no such model.
        GateRefused: The model learned from data that was erased.
        LmworksError: A file of the model is damaged, or no engine on this machine can run it.

    Example:
        >>> open_model("recipes/quickstart.yaml").generate(["What does CreateBucket do?"], max_tokens=40)
    """
    return find_and_open([str(model)], Path(store) if store else None, device)


def find_and_open(names: Sequence[str], store: Path | None, device: str) -> Model:
    """Find a model by `find_model`, and open it."""
    found = find_model(names, store)
    is_reward = not holds_passages(found.folder) and family_of(found.folder) == "reward model"
    opened = (open_reward_model if is_reward else open_answering)(found.folder, device=device)
    return Model(found.folder, found.digest, opened)


@dataclass(frozen=True)
class FoundModel:
    """A model that was found and is allowed to answer, but is not opened yet."""

    folder: Path
    digest: str
    stored: tuple[Store, Artifact] | None = None
    """The store and the artifact of the model. None for a published folder."""

    @property
    def text_fields(self) -> frozenset[str]:
        """Values of `text_field` of all sources that the model was made from."""
        if not self.stored:
            return frozenset()
        store, artifact = self.stored
        configs = [ancestor.artifact.manifest.config for ancestor in Lineage(store).ancestors(artifact)]
        fields = [source.get("text_field") for config in configs for source in config.get("sources", ())]
        return frozenset(field for field in fields if isinstance(field, str))

    @property
    def refusal(self) -> str:
        """First line of the reason why the model is not released. Empty for a released model."""
        try:
            reason = refusal_reason(*self.stored) if self.stored else ""
        except LmworksError as error:  # what came of its gates cannot be read
            reason = str(error)
        return reason.partition("\n")[0]


def find_model(names: Sequence[str], store: Path | None) -> FoundModel:
    """Find a step, a recipe's served model, or else a model folder in Hugging Face's layout.

    Raises `UsageError` if there is no such model, and `GateRefused` if the model learned from erased data.
    """
    folder = Path(names[-1])
    is_folder = len(names) == 1 and (folder / "config.json").is_file()
    try:
        found = find_one(names, store)
    except UsageError:
        if not is_folder:
            raise
        if not (stored := stored_as(folder)):
            return FoundModel(folder, digest_of_folder(folder))
        found = stored
    require_answers(found[0], [found[1]])
    return FoundModel(found[1].payload, found[1].digest(), found)
