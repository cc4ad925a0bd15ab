"""Settings of a recipe for a model at an address. Imports no client, because recipes are read with it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from lmworks.engines.rented.confirmed import refusal
from lmworks.errors import UsageError
from lmworks.model.config import Family
from lmworks.recipe.schema import PROTECTED, Effect, Location, NeedsConfig, Recipe, StepConfig

ENGINE_NAME = "rented"
FAMILY: Family = "rented model"
VARIABLE = r"^[A-Z][A-Z0-9_]{0,63}$"
TO_LEAVE_OUT = ("temperature", "seed", "top_p", "stop")
"""Fields that a task or step sets, and that some servers refuse. `parameters` can only leave them out, with `null`."""
NOT_TO_BE_SAID = (
    *("model", "messages", "max_tokens", "max_completion_tokens", "stream", "stream_options"),
    *("n", "best_of", "num_return_sequences", "candidate_count", "min_tokens", "max_new_tokens", "max_output_tokens"),
)
"""Fields that are set elsewhere, or that would let a request cost more than lmworks computes."""


class RentedModelConfig(StepConfig):
    """Model at an OpenAI-compatible address. It is not trained."""

    packages: ClassVar[tuple[str, ...]] = ("httpx",)
    engine: ClassVar[str] = ENGINE_NAME
    family: ClassVar[Family] = FAMILY

    objective: Literal["rented"] = "rented"
    address: str = Field(
        description="Base URL of the API, such as https://api.example.com/v1 or http://127.0.0.1:8000/v1. Requests go "
        "to `/chat/completions` below it."
    )
    model: str = Field(min_length=1, max_length=200, description="Name of the model at this address.")
    licence: Annotated[str, Effect.NOTHING] = Field(
        min_length=1,
        description="SPDX licence of open weights, or LicenseRef- with the name of the provider's terms. State it "
        "yourself. Many terms forbid to train other models on answers.",
    )
    key_variable: Annotated[str | None, Effect.NOTHING] = Field(
        default=None,
        description="Name of the environment variable with the key, such as LMWORKS_KEY_HOSTED. Another name than "
        "LMWORKS_KEY_… is sent to a host only after you confirm both: `lmworks confirm-key VARIABLE HOST`. By "
        "default no key is sent.",
    )
    reports: Annotated[str | None, Effect.NOTHING] = Field(
        default=None,
        description="Model name in the server's answers. By default it must begin with `model`, as a dated version "
        "does. lmworks refuses answers of another model.",
    )
    unencrypted: Annotated[bool, Effect.NOTHING] = Field(
        default=False, description="Whether to use an http address of another machine, where others can read along."
    )
    confidential: Annotated[bool, Effect.NOTHING] = Field(
        default=False,
        description="Whether this address may see texts that `needs` calls confidential, secret or on-premise. Only "
        "you can allow it.",
    )
    parameters: dict[str, str | int | float | bool | None] = Field(
        default={},
        description="Further fields of each request, such as {reasoning_effort: low}. `null` leaves out a field that "
        "the server refuses, such as {temperature: null}. Do not repeat fields that a task or step states, or the "
        "number of answers and tokens.",
    )
    limit_name: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens",
        description="Server's name for the most tokens of an answer. Some models of OpenAI need the second.",
    )
    requests_at_once: Annotated[int, Effect.NOTHING] = Field(
        default=4, ge=1, le=256, description="Requests sent at once. Accounts of the lowest tier allow four."
    )
    timeout_seconds: Annotated[float, Effect.NOTHING] = Field(
        default=120.0,
        gt=0,
        le=3600,
        description="Seconds for one request, to the last byte. Long answers take a minute.",
    )
    attempts: Annotated[int, Effect.NOTHING] = Field(
        default=6,
        ge=1,
        le=20,
        description="Attempts per request if the server is busy, fails or breaks off. Waits double from one second, or "
        "last as long as the server asks. Six attempts cover a minute.",
    )
    usd_per_million_prompt_tokens: Annotated[float | None, Effect.NOTHING] = Field(
        default=None, ge=0, description="Price in US dollars. Without it no cost is shown."
    )
    usd_per_million_answer_tokens: Annotated[float | None, Effect.NOTHING] = Field(
        default=None, ge=0, description="Price in US dollars. Thoughts count as answers."
    )
    most_usd: Annotated[float | None, Effect.NOTHING] = Field(
        default=None,
        ge=0,
        description="Maximum cost of one step in US dollars. A step that could cost more sends nothing. A step "
        "that repeats requests, or whose server counts more tokens than expected, stops at this limit.",
    )

    @model_validator(mode="after")
    def _tells_no_secret(self) -> Self:
        """Check the whole address. A fault of one field would show its value, which may be a key."""
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("address: expected a URL such as https://api.example.com/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "address: expected a URL without user, query and fragment. Put a key into an environment variable, "
                "and name this variable in `key_variable`"
            )
        if self.key_variable is not None and not re.fullmatch(VARIABLE, self.key_variable):
            raise ValueError(
                "key_variable: expected the name of an environment variable, such as LMWORKS_KEY_HOSTED. If this is "
                "the key itself, remove it from the recipe, and ask the provider for a new key"
            )
        if parts.scheme == "http" and not self.is_here and not self.unencrypted:
            raise ValueError(
                "address: with http, others on the network can read prompts, answers and key. Use https, or state "
                "`unencrypted: true`"
            )
        return self

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> Self:
        for name, value in self.parameters.items():
            if name in NOT_TO_BE_SAID or (name in TO_LEAVE_OUT and value is not None):
                raise ValueError(
                    f"parameters: found {name}, which "
                    + ("can only be left out (null). Otherwise it is " if name in TO_LEAVE_OUT else "is ")
                    + "set by a task or step (`max_tokens`, `temperature`, `samples`), or has a field of its own "
                    "(`model`, `limit_name`). Remove it from `parameters`"
                )
        return self

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if self.most_usd is not None and self.usd(0, 0) is None:
            raise ValueError(
                "most_usd: needs both prices, usd_per_million_prompt_tokens and usd_per_million_answer_tokens"
            )
        return self

    @property
    def is_here(self) -> bool:
        """Whether the address is this machine itself."""
        host = str(urlsplit(self.address).hostname)
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def usd(self, prompt_tokens: int, answer_tokens: int) -> float | None:
        """Return the cost of so many tokens in US dollars. None if a price is not stated."""
        prompt_price, answer_price = self.usd_per_million_prompt_tokens, self.usd_per_million_answer_tokens
        if prompt_price is None or answer_price is None:
            return None
        return (prompt_tokens * prompt_price + answer_tokens * answer_price) / 1e6

    def misfits(self, recipe: Recipe) -> Iterator[tuple[Location, str]]:
        """Yield an address that may not see the recipe's texts, and a key that may not be sent there."""
        needs = recipe.needs or NeedsConfig()
        why = "needs.residency is on-premise" if needs.residency == "on-premise" else ""
        why = f"needs.privacy is {needs.privacy}" if needs.privacy in PROTECTED else why
        if why and not (self.is_here or self.confidential):
            yield (
                ("address",),
                f"found {self.address}, and {why}: nothing is sent there; ask a server of this machine, or state "
                "`confidential: true` here if this address may see these texts",
            )
        if self.key_variable and (refused := refusal(self.key_variable, self.address)):
            yield ("key_variable",), refused


def require_key(variable: str | None, found: str | None) -> str | None:
    """Return the key, or None if no variable is named. Raises UsageError if it is not set or not valid in a header."""
    if variable is None:
        return None
    if not (key := (found or "").strip()):
        raise UsageError(f"the environment variable {variable} is not set: put the key for the address into it")
    if not key.isascii() or not key.isprintable():
        raise UsageError(f"the environment variable {variable}: expected a key of plain characters on one line")
    return key
