"""Small data for tests of tokens, models and training."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from lmworks.data.shards.records import Document, Documents, write_ids, write_shard
from lmworks.data.tuning.conversations import Conversations, conversation, write_conversations
from lmworks.data.tuning.preferences import Preference, Preferences, write_preferences
from lmworks.tokens.kinds.bpe import BpeConfig, bpe
from lmworks.tokens.rows.pack import PackConversationsConfig, PackDocumentsConfig, pack_conversations, pack_documents
from lmworks.tokens.rows.pack_preferences import PackPreferencesConfig, pack_preferences
from lmworks.tokens.rows.pack_prompts import PackPromptsConfig, pack_prompts
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from support import make_context

VERBS = ("Creates", "Deletes", "Lists", "Describes")
THINGS = ("bucket", "queue", "table", "cluster", "alarm")


def texts(count: int = 60) -> list[str]:
    """Documents in the form of operations."""
    draw = random.Random(0)
    found = []
    for number in range(count):
        verb, thing = draw.choice(VERBS), draw.choice(THINGS)
        title = f"Storage {verb[:-1]}{thing.title()}{number}"
        found.append(f"{title}\n\n{verb} the {thing} number {number}.\n\nParameters:\nName: The name of the {thing}.")
    return found


def make_documents(folder: Path, found: Sequence[str]) -> Documents:
    """Two shards of documents."""
    documents = [
        Document(id=f"{number:04d}", text=text, source="test", licence="Apache-2.0")
        for number, text in enumerate(found)
    ]
    half = len(documents) // 2
    for number, part in enumerate((documents[:half], documents[half:])):
        write_shard(folder / f"part-{number:05d}.parquet", part)
    write_ids(folder, [document.id for document in documents])
    return Documents(folder, "documents")


def make_conversations(folder: Path, count: int = 40) -> Conversations:
    """Questions about things, each with a short answer."""
    conversations = [
        conversation(
            id=f"{number:04d}",
            form="explain",
            question=f"What does {VERBS[number % 4][:-1]}{THINGS[number % 5].title()} do?",
            answer=f"{VERBS[number % 4]} the {THINGS[number % 5]}.",
            document=f"{number:04d}",
        )
        for number in range(count)
    ]
    write_conversations(folder, conversations)
    return Conversations(folder, "conversations")


def make_preferences(folder: Path, count: int = 40, first: int = 0) -> Preferences:
    """Pairs of answers to questions about things: what is chosen says "the", what is rejected says "no"."""
    made = []
    for number in range(first, first + count):
        verb, thing = VERBS[number % 4], THINGS[number % 5]
        question = {"role": "user", "content": f"What does {verb[:-1]}{thing.title()}{number} do?"}
        answers = [
            {"role": "assistant", "content": f"{verb} {word} {thing} number {number}."} for word in ("the", "no")
        ]
        chosen, rejected = ([answer] for answer in answers)
        name = f"{number:04d}"
        made.append(
            Preference(
                id=name, prompt=[question], chosen=chosen, rejected=rejected, margin=number % 3 / 2, document=name
            )
        )
    write_preferences(folder, made)
    return Preferences(folder, "preferences")


def make_tokenizer(folder: Path) -> TokenizerFolder:
    """A tokenizer of 400 ids, trained on the documents."""
    documents = make_documents(folder / "documents", texts())
    out = folder / "tokenizer"
    bpe(BpeConfig(documents="x", vocab_size=400), documents, out, make_context(folder))
    return TokenizerFolder(out, "tokenizer")


def pack_texts(folder: Path, tokenizer: TokenizerFolder, found: Sequence[str], sequence_length: int) -> Shards:
    """Rows of documents."""
    documents = make_documents(folder / "documents", found)
    config = PackDocumentsConfig(documents="x", sequence_length=sequence_length)
    pack_documents(config, documents, tokenizer, folder / "rows", make_context(folder))
    return Shards(folder / "rows", "rows")


def pack_chats(folder: Path, tokenizer: TokenizerFolder, sequence_length: int) -> Shards:
    """Rows of conversations."""
    conversations = make_conversations(folder / "conversations")
    config = PackConversationsConfig(conversations="x", sequence_length=sequence_length)
    pack_conversations(config, conversations, tokenizer, folder / "rows", make_context(folder))
    return Shards(folder / "rows", "rows")


def pack_judged(
    folder: Path, tokenizer: TokenizerFolder, sequence_length: int, preferences: Preferences, **config: object
) -> Shards:
    """Rows of judged answers."""
    fields = {"from": "x", "sequence_length": sequence_length, **config}
    made = PackPreferencesConfig.model_validate(fields)
    pack_preferences(made, preferences, tokenizer, folder / "rows", make_context(folder))
    return Shards(folder / "rows", "rows")


def pack_asked(folder: Path, tokenizer: TokenizerFolder, sequence_length: int, answer_tokens: int) -> Shards:
    """Rows of one question each, with room for an answer."""
    conversations = make_conversations(folder / "conversations")
    fields = {"from": "x", "sequence_length": sequence_length, "answer_tokens": answer_tokens}
    config = PackPromptsConfig.model_validate(fields)
    pack_prompts(config, conversations, tokenizer, folder / "rows", make_context(folder))
    return Shards(folder / "rows", "rows")
