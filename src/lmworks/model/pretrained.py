"""Import of a published model of any family: it is checked, copied, and prepared for tuning and evaluation."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field

from lmworks.data.base.tokenizer_file import read_tokenizer
from lmworks.errors import LmworksError, UsageError, told
from lmworks.model.config import Family, Shape
from lmworks.model.files import check_own_files, read_json
from lmworks.model.folder import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    engine_of,
    family_of,
    is_native,
    load_model,
    shape_of,
    stored_parameters,
)
from lmworks.model.gguf import read_gguf, read_shape
from lmworks.model.peft_folder import put_on
from lmworks.model.published import load_published_decoder, save_published_decoder
from lmworks.pipeline.files import open_below
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Effect, StepConfig
from lmworks.tokens.kinds.learn import TOKENIZER_CONFIG, write_tokenizer
from lmworks.tokens.packaged import place_of
from lmworks.tokens.settings import TEMPLATE_FILE, read_template
from lmworks.tokens.tokenizer import (
    CHAT_TEMPLATE,
    END_OF_TEXT,
    END_OF_TURN,
    START_OF_TURN,
    STOPS_AT,
    Tokenizer,
    open_tokenizer,
)

if TYPE_CHECKING:
    import tokenizers
    from torch import Tensor


COPIED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "LICENSE*", "NOTICE*")
"""Patterns of the files to copy from a folder. Code and pickled files are not copied."""

NAME_ON_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""Pattern of a model's name on a hub: an organisation and its model."""

TURNS = 8
"""Number of answers in the chat that tests a template. Some templates treat the first answers in a special way."""


class PretrainedModelConfig(StepConfig):
    """Take a published model without training."""

    objective: Literal["pretrained"] = "pretrained"
    path: Annotated[str, Effect.NOTHING] = Field(
        description="Hugging Face folder with safetensors, a .gguf file, or a name of `lmworks models`."
    )
    licence: str = Field(
        min_length=1,
        description="SPDX licence of the weights, and of an adapter. State it yourself, because files are often wrong.",
    )
    adapter: Annotated[str | None, Effect.NOTHING] = Field(
        default=None, description="PEFT folder with an adapter to apply. None by default."
    )
    file: Annotated[Path, Effect.NOTHING] = Field(
        default=Path(), exclude=True, description="Path of the model, set by `resolve`."
    )
    adapter_file: Annotated[Path | None, Effect.NOTHING] = Field(
        default=None, exclude=True, description="Path of the adapter, set by `resolve`."
    )
    fingerprint: list[tuple[str, int, int]] = Field(
        default=[],
        description="Name, size and time of each file, set by `resolve`. Hashing gigabytes would delay each command.",
    )

    def imports(self, folder: Path) -> Iterator[str]:
        file = place_of(self.path, folder)
        if file.is_file():
            yield "gguf"
        elif (file / "config.json").is_file() and not is_native(file):
            yield "transformers"

    def resolve(self, folder: Path) -> Self:
        """Return the config with the paths of its files and their current sizes and times."""
        file = place_of(self.path, folder)
        found = [file] if file.is_file() else sorted(path for kind in COPIED for path in file.glob(kind))
        weights = [path for path in found if path.suffix in (".safetensors", ".gguf")]
        if not weights or (file.is_dir() and not (file / "config.json").is_file()):
            if NAME_ON_HUB.fullmatch(self.path) and file.suffix != ".gguf" and not file.exists():
                raise UsageError(
                    f"{file}: there is no such folder; if {self.path} is a model of a hub, get it with "
                    f"`lmworks models get {self.path} --out {file} --yes`"
                )
            raise UsageError(
                f"{file}: no pretrained model; expected a .gguf file, or a folder with config.json and *.safetensors "
                "(pickled .bin and .pt files are never read: `save_pretrained` of transformers writes safetensors)"
            )
        adapter = None if self.adapter is None else folder / self.adapter
        if adapter:
            found += [adapter / ADAPTER_CONFIG, adapter / ADAPTER_WEIGHTS]
            if absent := [path.name for path in found[-2:] if not path.is_file()]:
                raise UsageError(f"{adapter}: no {' and no '.join(absent)}; expected a folder that PEFT has saved")
        if file.is_dir():
            check_own_files(file, [path.name for path in found[: len(found) - 2 * bool(adapter)]])
        if adapter:
            check_own_files(adapter, [ADAPTER_CONFIG, ADAPTER_WEIGHTS])
        marks = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in found]
        return self.model_copy(update={"file": file, "adapter_file": adapter, "fingerprint": marks})

    @property
    def engine(self) -> str | None:
        """Name of the engine in the folder's config.json. None if it names none."""
        return engine_of(self.file) if self.file.is_dir() else None

    @property
    def family(self) -> Family | None:
        """Family of the model. None before `resolve`, or if its files do not show it."""
        if self.file.is_file():
            return "decoder"
        return family_of(self.file) if self.fingerprint else None

    @property
    def context_length(self) -> int | None:
        """Maximum number of tokens that the model can read. None if it is not known."""
        limited = self.family not in (None, "encoder-decoder")
        return getattr(self.shape(0), "context_length", None) if limited else None

    def shape(self, vocab_size: int) -> Shape:
        """Return the shape of the model, for counting."""
        return read_shape(self.file) if self.file.is_file() else shape_of(self.file)


FRAME = "frame"
FRAMED = {
    "reason": FRAME,
    "verdict": "another frame",
    "text": "it came without a chat template, so chats are put in a template that it never saw: in tasks on chats, a "
    "part of the gain from tuning is the template",
}
"""Note for a report about a base that has no chat template of its own."""


@stage(version=6)
def import_model(config: PretrainedModelConfig, out: Path, context: Context) -> Result:
    """Copy a model folder of any family, and merge an adapter, if any. A decoder's tokenizer gets tokens for chats.

    A decoder's embeddings get a row for each new token. Raises LmworksError for an architecture that neither lmworks
    nor `transformers` knows.
    """
    source = config.file
    if source.is_file():
        source = context.scratch / "folder"
        read_gguf(config.file, source)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted({path for kind in COPIED for path in source.glob(kind)}):
        with open_below(source, path.name) as stream, (out / path.name).open("wb") as copy:
            shutil.copyfileobj(stream, copy)
    check_own_files(out, [])
    found = read_json(out / "config.json")
    if not is_native(out):
        from lmworks.model.published import require_known

        require_known(out)
    added, has_frame = {}, True
    if is_decoder(found):
        added["tokens added"], has_frame = _equip(out, found, context)
    if config.adapter_file:
        added["matrices adapted"] = put_on(out, config.adapter_file)
    return Result(counts={"parameters": stored_parameters(out), **added}, examples=[] if has_frame else [FRAMED])


def is_decoder(found: Mapping[str, Any]) -> bool:
    """Return whether a `config.json` is of a model that continues text."""
    names = found.get("architectures")
    return isinstance(names, list) and any(str(name).endswith(("ForCausalLM", "LMHeadModel")) for name in names)


def _equip(out: Path, found: Mapping[str, Any], context: Context) -> tuple[int, bool]:
    """Write a tokenizer with a chat template, and weights with rows for its tokens.

    Return how many tokens were added, and whether the model came with its own chat template.

    A model's own chat template stays unchanged, with its tokens. Otherwise, lmworks's template is used. The model's own
    tokens then begin a text and end a turn. Missing tokens are added. The one that ends a turn gets the weights of the
    token that ends a text, if there is one. Others start as the mean of all tokens.
    """
    backend, (template, settings) = _read_tokenizer(out), _read_template(out)
    has_frame = template is not None
    begins, ends = _ids(found, "bos_token_id"), _ids(found, "eos_token_id")
    more = out / "generation_config.json"
    ends += [each for each in (_ids(read_json(more), "eos_token_id") if more.is_file() else []) if each not in ends]
    names = [backend.id_to_token(number) for number in ends]
    begin, end = [*begins, *ends, None][0], [None, *ends][-1]  # of several, the last ends a turn and the first a text
    own = {END_OF_TEXT: _named(backend, END_OF_TEXT, begin), END_OF_TURN: _named(backend, END_OF_TURN, end)}
    if own[END_OF_TURN] == own[END_OF_TEXT]:
        own[END_OF_TURN] = END_OF_TURN
    tokens = [own[END_OF_TEXT], START_OF_TURN, own[END_OF_TURN]]
    if template is not None:  # which may be of a chat that its tokenizer was never told of
        tokens = [token for token in (START_OF_TURN, END_OF_TURN) if token in template]
    added = [token for token in tokens if backend.token_to_id(token) is None]
    backend.add_special_tokens(tokens)
    vocabulary = backend.get_vocab(with_added_tokens=True)
    stand_ins = {vocabulary[token]: end if token == END_OF_TURN else None for token in added}
    if added:
        context.log(f"the tokenizer had no {', '.join(added)}: each gets a row of the embeddings")
    if template is None:
        template = CHAT_TEMPLATE
        for ours, theirs in own.items():
            template = template.replace(ours, theirs)
        settings = {"bos_token": own[END_OF_TEXT], "eos_token": own[END_OF_TURN], "pad_token": own[END_OF_TEXT]} | {
            name: value for name, value in settings.items() if name not in ("bos_token", "eos_token")
        }
        if backend.encode("a").ids == backend.encode("a", add_special_tokens=False).ids:
            settings.setdefault("add_bos_token", False)  # ours frames chats: before a text stands what stood there
    for name, number in (("bos_token", begins[:1]), ("eos_token", ends[-1:])):
        if number and name not in settings:
            settings[name] = backend.id_to_token(number[0])
    usual = {name: value for name, value in TOKENIZER_CONFIG.items() if not name.endswith("_token")}
    if stops := [name for name in names if name and name not in own.values()]:
        usual[STOPS_AT] = stops
    write_tokenizer(backend, out, {**usual, **settings, "chat_template": template})
    tokenizer = open_tokenizer(out)
    _try_template(tokenizer, context)
    _grow(out, tokenizer, stand_ins)
    return len(stand_ins), has_frame


def _named(backend: tokenizers.Tokenizer, ours: str, number: int | None) -> str:
    """Return the name of a token: ours if the tokenizer has it, else the tokenizer's name of the model's id."""
    known: str | None = None if backend.token_to_id(ours) is not None or number is None else backend.id_to_token(number)
    return known or ours


def _try_template(tokenizer: Tokenizer, context: Context) -> None:
    """Raise LmworksError for a chat template that leaves out words, or does not close answers."""
    words = [f"{role} {number}" for number in range(TURNS) for role in ("user", "assistant")]
    chat = [{"role": each.split()[0], "content": each} for each in words]
    ids, trained = tokenizer.encode_chat(chat)
    closed = sum(token == tokenizer.end_of_turn_id for token, learned in zip(ids, trained, strict=True) if learned)
    text = tokenizer.render_chat(chat)
    if not tokenizer.begin_of_answer or any(each not in text for each in words) or not closed:
        raise LmworksError(
            f"{tokenizer.folder}: its chat template leaves words out of a chat of {TURNS} exchanges, writes nothing "
            f"between a question and its answer, or does not close answers: it writes {text[:200]!r}. Correct it, or "
            "remove it from the folder, so that lmworks uses its own template"
        )
    try:
        tokenizer.render_chat([{"role": "system", "content": "system"}, *chat], True)
    except LmworksError as error:
        context.log(f"the chat template refuses a system turn: {error}")


def _grow(out: Path, tokenizer: Tokenizer, stand_ins: Mapping[int, int | None]) -> None:
    """Check that the weights are complete. If there are new tokens, write the weights again with rows for them."""
    if is_native(out) and not stand_ins:
        load_model(out, "bfloat16")
        return
    model = load_published_decoder(out, None)
    if not stand_ins:
        return
    network = model.network
    rows = max(len(network.get_input_embeddings().weight), tokenizer.vocab_size)
    network.resize_token_embeddings(rows, mean_resizing=False)
    output = network.get_output_embeddings()
    for weight in (network.get_input_embeddings().weight, output.weight, output.bias):
        if weight is not None:
            _fill_rows(weight.detach(), stand_ins)
    for path in out.glob("*.safetensors*"):
        path.unlink()
    save_published_decoder(model, out, out)


def _fill_rows(weight: Tensor, stand_ins: Mapping[int, int | None]) -> None:
    """Fill each new row with that of the token it replaces, so that likelihoods stay, or else with the mean."""
    known = weight[: min(stand_ins)]
    for token, like in stand_ins.items():
        weight[token] = known.float().mean(0) if like is None else weight[like]


def _ids(found: Mapping[str, Any], name: str) -> list[int]:
    value = found.get(name)
    return [each for each in (value if isinstance(value, list) else [value]) if type(each) is int and each >= 0]


def _read_tokenizer(out: Path) -> tokenizers.Tokenizer:
    path = out / "tokenizer.json"
    with told(path, "a tokenizer that the `tokenizers` library reads, or an older form that `transformers` converts"):
        if path.is_file():
            backend = read_tokenizer(path)
        else:
            from transformers import AutoTokenizer

            settings = out / "tokenizer_config.json"
            if settings.is_file():  # places of files, which may be any: those of the folder have names of their own
                kept = {name: value for name, value in read_json(settings).items() if not name.endswith("_file")}
                settings.write_text(json.dumps(kept))
            backend = AutoTokenizer.from_pretrained(
                out, local_files_only=True, trust_remote_code=False
            ).backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
    return backend


def _read_template(out: Path) -> tuple[str | None, dict[str, Any]]:
    """Return a model's own chat template and other settings. The separate file of the template is deleted."""
    path = out / "tokenizer_config.json"
    settings = dict(read_json(path)) if path.is_file() else {}
    template = read_template(out, settings)
    settings.pop("chat_template", None)
    settings.pop("auto_map", None)  # names code, which is not copied
    (out / TEMPLATE_FILE).unlink(missing_ok=True)
    return template if isinstance(template, str) else None, settings
