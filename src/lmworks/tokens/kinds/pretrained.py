"""Published tokenizer, read from its `tokenizer.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from lmworks.data.base.tokenizer_file import read_tokenizer
from lmworks.errors import UsageError, told
from lmworks.lazy import tokenizers
from lmworks.pipeline.files import digest_file, refuse_links_out
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.recipe.schema import Effect, StepConfig
from lmworks.tokens.kinds.learn import write_tokenizer
from lmworks.tokens.packaged import place_of
from lmworks.tokens.tokenizer import SPECIAL_TOKENS


def vocabulary_of(path: Path) -> Any:
    """Return the learned part of a `tokenizer.json`, in the library's present form."""
    with told(path, "a tokenizer that the `tokenizers` library reads"):
        return json.loads(read_tokenizer(path).to_str())["model"]


class PretrainedConfig(StepConfig):
    """Take a published tokenizer with its ids."""

    section: ClassVar = "tokenizer"

    kind: Literal["pretrained"] = "pretrained"
    path: Annotated[str, Effect.NOTHING] = Field(
        description="Path of a tokenizer.json, of a folder with one, or a model of `lmworks models`."
    )
    file: Annotated[Path, Effect.NOTHING] = Field(
        default=Path(), exclude=True, description="Path of the file, set by `resolve`."
    )
    sha256: str = Field(default="", description="Digest of the file, set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        """Return this config with the path and digest of the file that it names."""
        file = place_of(self.path, folder)
        if file.is_dir():
            refuse_links_out(file, ["tokenizer.json"])
            file /= "tokenizer.json"
        if not file.is_file():
            raise UsageError(f"tokenizer: {file} is not there; name a tokenizer.json or its folder")
        if file.suffix == ".model":
            raise UsageError(
                f"tokenizer: {file} is a SentencePiece tokenizer, which lmworks cannot read.\n"
                "Convert it with transformers: `AutoTokenizer.from_pretrained(folder).save_pretrained(folder)` writes "
                "tokenizer.json"
            )
        return self.model_copy(update={"file": file, "sha256": digest_file(file)})

    @property
    def vocab_size(self) -> int:
        """Number of ids, the added ones included."""
        return self.load().get_vocab_size()

    def is_that_of(self, path: Path) -> bool:
        """Return whether its learned vocabulary equals that of another `tokenizer.json`."""
        known = vocabulary_of(path)
        return self.sha256 == digest_file(path) or json.loads(self.load().to_str())["model"] == known

    def load(self) -> tokenizers.Tokenizer:
        """Return the tokenizer, with lmworks's special tokens added after its last id. Raises LmworksError."""
        backend = read_tokenizer(self.file)
        backend.no_truncation()
        backend.no_padding()
        backend.add_special_tokens(list(SPECIAL_TOKENS))
        return backend


@stage(version=2)
def pretrained(config: PretrainedConfig, out: Path, context: Context) -> Result:
    """Write a published tokenizer. Chats get lmworks's own template, whatever template the tokenizer came with."""
    backend = config.load()
    write_tokenizer(backend, out)
    return Result(counts={"ids": backend.get_vocab_size()})
