"""Three steps of a rented model: a trial request, the prompts to send, and its answers as a dated snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SerializeAsAny

from lmworks.data.base.identity import load_id_key
from lmworks.data.erased.values import VALUES_FILE, Erased, Line, known_values
from lmworks.data.personal.hidden import hide_all
from lmworks.engines.rented.address import ENGINE_NAME, FAMILY, RentedModelConfig
from lmworks.engines.rented.client import Answered, Client, now
from lmworks.engines.rented.engine import ANSWERS, NOTING, PROMPTS, key_of
from lmworks.errors import GateRefused, LmworksError
from lmworks.model.files import read_json
from lmworks.model.folder import ENGINE, ModelFolder, write_json
from lmworks.model.folder import FAMILY as FAMILY_FIELD
from lmworks.pipeline.files import canonical_json
from lmworks.pipeline.stage import Context, Handle, Result, Stage, stage
from lmworks.pipeline.work.chunks import read_records, write_records
from lmworks.recipe.schema import BesideRecipe, Effect, Reference, StepConfig

TRIAL = {"messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 16, "temperature": 0.0}
"""First request. It shows that address, key and name are right, and contains no data of yours."""
MESSAGE_TOKENS, CHAT_TOKENS = 8, 64
"""Maximum number of tokens that chat templates of known models put around a message, and before a chat."""


@stage(version=1)
def rent(config: RentedModelConfig, out: Path, context: Context) -> Result:
    """Ask the address for one word, and note which model answered and when.

    Raises LmworksError if no model or the wrong model answers. Raises GateRefused, before anything is sent, if this
    request alone could cost more than a step may.
    """
    found: list[Answered] = []
    bill = _Bill(config, {"": TRIAL}, (), ())
    bill.require_room("nothing was sent")

    def lost(number: int) -> None:
        bill.again("")
        bill.require_room("nothing more was sent")

    trial = [_body(config, TRIAL)]
    Client(config).ask(trial, lambda _, answer: found.append(answer), context.check_stop, context.log, lost)
    reported = found[0].reported or config.reports or config.model
    _require_asked(config, reported)
    out.mkdir(parents=True, exist_ok=True)
    write_json(
        out / "config.json",
        {
            ENGINE: ENGINE_NAME,
            FAMILY_FIELD: FAMILY,
            "address": config.address,
            "model": config.model,
            "reported": reported,
            "rented": now(),
        },
    )
    context.log(f"{config.address} answers as {reported}")
    return Result()


def _require_asked(config: RentedModelConfig, reported: str) -> None:
    expected = config.reports or config.model
    names = reported.lower(), reported.lower().rpartition("/")[2]
    wanted = expected.lower(), expected.lower().rpartition("/")[2]
    if not (reported == expected if config.reports else any(name.startswith(wanted) for name in names)):
        raise LmworksError(
            f"{config.address} answers as {reported[:100]!r}, but the recipe names {expected!r}. If this is the right "
            "model, state the name of the answers in `reports`"
        )


class PromptsConfig(StepConfig):
    """Prompts that a step would send to a rented model. Made by the graph."""

    step: SerializeAsAny[StepConfig] = Field(description="Settings of the step.")
    stage: str = Field(description="Name of its stage.")
    read: list[Reference] = Field(description="Inputs of the stage except rented models.")
    given: list[tuple[str, str]] = Field(
        description="Its parameters in order. A parameter names its rented model, or else takes the next input."
    )
    of: str = Field(description="Rented model whose prompts are noted.")
    declared: Any = Field(default=None, exclude=True, description="The stage.")


class _Forgetful:
    """Journal that keeps nothing, for work that is never continued."""

    def records(self) -> list[dict[str, Any]]:
        return []

    def append(self, record: Mapping[str, Any]) -> None: ...


@stage(version=1, reads="read")
def rented_prompts(config: PromptsConfig, read: list[Handle], out: Path, context: Context) -> Result:
    """Run a step with a stand-in model that gives empty answers. Write each request once, and send nothing.

    You can read the prompts before the first of them leaves this machine.
    """
    declared: Stage = config.declared
    folders = {name: context.scratch / f"model-{number}" for number, (_, name) in enumerate(config.given) if name}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PROMPTS).unlink(missing_ok=True)
        write_json(folder / "config.json", {ENGINE: ENGINE_NAME, NOTING: True, "address": "", "reported": ""})
    given, others = dict[str, list[Handle]](), iter(read)
    for parameter, name in config.given:
        given.setdefault(parameter, []).append(ModelFolder(folders[name], "") if name else next(others))
    handles: dict[str, Any] = {}
    for name, kind in declared.inputs.items():
        made = [kind.handle(each.path, each.digest) for each in given.get(name, ())]
        handles[name] = made if kind.many else (made[0] if made else None)
    scratch, place = context.scratch / "step", folders[config.of] / PROMPTS
    (scratch / "out").mkdir(parents=True, exist_ok=True)
    quiet = replace(context, scratch=scratch, journal=_Forgetful(), log=lambda line: None)
    try:
        declared(config.step, **handles, out=scratch / "out", context=quiet)
    except LmworksError:
        if not place.is_file():  # else it is of answers, of which there are none
            raise
    asked = {key_of(each): each for each in (read_records(place) if place.is_file() else ())}
    out.mkdir(parents=True, exist_ok=True)
    write_records(out / PROMPTS, [asked[key] for key in sorted(asked)])
    size = size_of([*asked.values()])
    examples = hide_all({"reason": "asked", **each} for each in [*asked.values()][:3])
    return Result(counts=dict(size), examples=examples)


def size_of(asked: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Return the number of requests, and the maximum of tokens. A token has at least one byte, so bytes are counted."""
    size: Counter[str] = Counter({REQUESTS: len(asked), PROMPT_TOKENS: 0, ANSWER_TOKENS: 0})
    for each in asked:
        texts = [turn["content"] for turn in each["messages"]]
        size[PROMPT_TOKENS] += sum(len(text.encode()) + MESSAGE_TOKENS for text in texts) + CHAT_TOKENS
        size[ANSWER_TOKENS] += each["max_tokens"]
    return size


REQUESTS, PROMPT_TOKENS, ANSWER_TOKENS = "requests", "prompt tokens at most", "answer tokens at most"


def told(config: RentedModelConfig, size: Mapping[str, int]) -> str:
    """Return the requests to send and their highest cost, in words."""
    usd = config.usd(size[PROMPT_TOKENS] + size[REQUESTS] * _added(config), size[ANSWER_TOKENS])
    again = f", and what is asked again, up to ${config.most_usd:g}" if config.most_usd is not None else ""
    again = again or ", and what is asked again"
    price = "; the recipe states no prices" if usd is None else f": at most ${usd:,.2f} by the recipe's prices{again}"
    return (
        f"{size[REQUESTS]:,} requests to {config.address}, of {size[PROMPT_TOKENS]:,} prompt tokens at most (a token a "
        f"byte; of English about a quarter) and {size[ANSWER_TOKENS]:,} answer tokens at most{price}"
    )


class RentedAnswersConfig(BesideRecipe):
    """Settings of a step that asks a rented model. Made by the graph."""

    prompts: Reference = Field(description="Prompts to send.")
    model: Reference = Field(description="Rented model.")
    rented: Annotated[RentedModelConfig, Effect.NOTHING] = Field(
        description="Settings of the model. Those that change answers also change its artifact."
    )


AGAIN = "again"
"""Field of the journal for requests that got no answer, but may be billed."""


class _Bill:
    """Highest possible cost of a step: the counted cost of its answers, and the maximum of its other requests."""

    def __init__(
        self,
        config: RentedModelConfig,
        asked: Mapping[str, Mapping[str, Any]],
        known: Sequence[Mapping[str, Any]],
        again: Sequence[str],
    ) -> None:
        self._config, self._asked = config, asked
        self._usd = sum(map(self._at_most, [*asked, *again]))
        for record in known:
            self.answered(record)

    def again(self, key: str) -> None:
        self._usd += self._at_most(key)

    def answered(self, record: Mapping[str, Any]) -> None:
        """Replace the maximum cost of a request by its counted cost. Keep the maximum if the server counts nothing."""
        if counted := self._config.usd(record["prompt_tokens"], record["answer_tokens"]):
            self._usd += counted - self._at_most(record["key"])

    def require_room(self, what: str) -> None:
        """Raise GateRefused if the cost is more than the recipe allows."""
        most = self._config.most_usd
        if most is not None and self._usd > most + ROUNDING:
            raise GateRefused(
                f"most_usd is {most:g}, but this may cost ${self._usd:,.2f}; {what}. Ask less (`limit`, `max_tokens` "
                "of the task), or raise `most_usd`"
            )

    def _at_most(self, key: str) -> float:
        size = size_of([self._asked[key]])
        return self._config.usd(size[PROMPT_TOKENS] + _added(self._config), size[ANSWER_TOKENS]) or 0.0


ROUNDING = 1e-9
"""Tolerance for rounding errors of a sum, in US dollars."""


def _added(config: RentedModelConfig) -> int:
    """Return the bytes that `parameters` add to a request. A server may pass them to its model."""
    return len(canonical_json(config.parameters).encode()) if config.parameters else 0


@stage(version=1, reads=("prompts", "model"))
def rented_answers(
    config: RentedAnswersConfig, prompts: Handle, model: ModelFolder, out: Path, context: Context
) -> Result:
    """Send each request once, and write the answers with their date as a model folder that has only these answers.

    Each answer is written to disk when it is received, so it is not paid for twice. If an answer contains a value that
    was erased for this recipe, its text is not kept, because the model may know a person who was erased here. Raises
    GateRefused before anything is sent if it could cost more than the recipe allows. It raises this error also before a
    repeated request that could exceed this cost.
    """
    lease, rented = read_json(model.path / "config.json"), config.rented
    asked = {key_of(each): each for each in read_records(prompts.path / PROMPTS)}
    known = {each["key"]: each for each in context.journal.records() if each.get("key") in asked}
    left = [key for key in sorted(asked) if key not in known]
    context.log(
        (f"goes on after {len(known)} answers: " if known else "") + told(rented, size_of([asked[key] for key in left]))
    )
    again = [str(each[AGAIN]) for each in context.journal.records() if each.get(AGAIN) in asked]
    bill = _Bill(rented, asked, [*known.values()], again)
    bill.require_room("nothing was sent")
    context.progress.start(len(asked), "requests")
    context.progress.update(len(known))
    lines = [Line.read(line) for line in known_values(config.folder)]
    erased = Erased(load_id_key(config.folder), lines) if lines else None

    def received(number: int, answer: Answered) -> None:
        if answer.reported not in ("", lease["reported"]):
            raise LmworksError(
                f"{rented.address} now answers as {answer.reported[:100]!r}, but this snapshot is of "
                f"{lease['reported']!r}. To ask the new model everything, rebuild the model's step with --rebuild"
            )
        if erased and any(erased.find([answer.text, answer.thoughts or ""])):
            answer = replace(answer, text="", thoughts=None, finish_reason=NAMES_ERASED)
        record = {"key": left[number], "at": now(), **asdict(answer)}
        known[left[number]] = record
        context.journal.append(record)
        context.progress.update(len(known))
        bill.answered(record)
        bill.require_room("the answers so far are kept")

    def lost(number: int) -> None:
        context.journal.append({AGAIN: left[number]})
        bill.again(left[number])
        bill.require_room("nothing more was sent")

    if left:
        bodies = [_body(rented, asked[key]) for key in left]
        Client(rented).ask(bodies, received, context.check_stop, context.log, lost)
    found = [known[key] for key in sorted(known)]
    dates = sorted(each.pop("at") for each in found)
    usage = {name: sum(each[name] for each in found) for name in ("prompt_tokens", "answer_tokens")}
    out.mkdir(parents=True, exist_ok=True)
    write_records(out / ANSWERS, found)
    write_json(out / "config.json", lease | {"answered": dates[:1] + dates[-1:], "usage": usage})
    counts = {"answers": len(found), **{name.replace("_", " "): count for name, count in usage.items()}}
    endings = Counter(each["finish_reason"] for each in found if not each["is_beyond"])
    cut, withheld = endings["length"], endings["content_filter"]
    counts |= {CUT: cut} if cut else {}
    counts |= {WITHHELD: withheld} if withheld else {}
    if named := endings[NAMES_ERASED]:
        counts[HELD_ERASED] = named
        context.log(f"WARNING: {named:,} answers held what was erased ({VALUES_FILE}): their texts were not kept")
    counts |= {BEYOND: beyond} if (beyond := sum(each["is_beyond"] for each in found)) else {}
    paid = rented.usd(usage["prompt_tokens"], usage["answer_tokens"])
    if paid is not None:
        context.log(f"it took {usage['prompt_tokens']:,} and {usage['answer_tokens']:,} tokens: ${paid:,.4f}")
    return Result(counts=counts, losses={WITHHELD, HELD_ERASED, BEYOND})


CUT, WITHHELD = "answers that were cut", "answers that the provider withheld"
HELD_ERASED = "answers that held what was erased"
BEYOND = "prompts longer than the model reads"
NAMES_ERASED = "erased"
"""Finish reason of an answer whose text was not kept, because it contained an erased value."""


def asked_for(step: str) -> str:
    """Return the step that holds what a rented model answered for another step."""
    return f"asked/{step}"


def _body(config: RentedModelConfig, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the request to send."""
    body = {"model": config.model, **{name: value for name, value in asked.items() if name != "max_tokens"}}
    body[config.limit_name] = asked["max_tokens"]
    body |= config.parameters
    return {name: value for name, value in body.items() if value is not None}
