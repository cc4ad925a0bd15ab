"""Ingest: read sources through the licence gate into documents with ids that never change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lmworks.data.base.identity import ID_KEY, KEY_FILE, KEY_VARIABLE, key_digest, load_id_key
from lmworks.data.erased.searched import Searched
from lmworks.data.erased.values import VALUES_FILE, Erased, Line, known_values, said_by, strangers_of
from lmworks.data.licences.gate import NO_LICENCE, REFUSALS, LicenceGate
from lmworks.data.licences.mixture import attribution_text, combined_licence
from lmworks.data.parsers import hints
from lmworks.data.parsers.facts import TWO_WAYS
from lmworks.data.personal.hidden import hide, hide_all
from lmworks.data.reading.listing import NOT_READ, cut_into_units, group_files, look_at_files
from lmworks.data.reading.reader import (
    BEHIND_DAMAGE,
    HOLDS_ERASED,
    IN_PLACE,
    NOT_KEPT,
    QUARANTINED,
    PieceUnit,
    Reader,
    read_unit,
)
from lmworks.data.shards.named import refuse_unmet
from lmworks.data.shards.records import Documents, read_columns, read_shard, write_json_lines
from lmworks.data.shards.steps import FILES, Parts, Tally, do_again, map_units, quarantined, unit_records
from lmworks.data.sources import AnySource
from lmworks.data.sources.source import SourceConfig
from lmworks.errors import GateRefused, LmworksError, UsageError, format_counts
from lmworks.lazy import pc
from lmworks.pipeline.erasure import ERASED_FILE, erased_by_other_keys, erased_contents, erased_documents
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.guarded import LIMITS_MEMORY
from lmworks.pipeline.stage import Context, Result, stage
from lmworks.pipeline.units import Unit
from lmworks.recipe.schema import BesideRecipe

NO_REASONS = {"documents", "bytes", "files", NOT_KEPT, BEHIND_DAMAGE}
"""Counts of what was read. All other counts are reasons why something was not read."""
MISSING = (
    " `text_field` names the field that holds the text, `delimiter` what separates columns, and `columns` those of a "
    "table without a header (docs/sources.md)."
)
COPIES = "copies"
"""Folder for copies of files of other machines. It is in the step's scratch folder, and is deleted with that."""
FEW_BAD = 10
"""Number of unreadable records up to which a step never stops, whatever their share."""


class IngestConfig(BesideRecipe):
    """Read sources into documents."""

    makes: ClassVar[str] = "documents"
    kind: Literal["ingest"] = "ingest"
    sources: list[AnySource] = Field(min_length=1, description="Sources to read. Each names its kind.")
    licences: LicenceGate = Field(default=LicenceGate(), description="Licences that pass. None by default.")
    shard_bytes: int = Field(
        default=2**20,
        ge=1,
        description="Source bytes per shard. With 1 MiB, two cores share a small source and a killed run loses little. "
        "Raise it for many gigabytes.",
    )
    largest_bad_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Maximum share of unreadable records, in a source or in all sources. A larger share stops the "
        "step, because one in five is not an accident. Up to ten such records never stop it.",
    )
    fingerprints: list[str] = Field(default=[], description="One fingerprint per source, set by `resolve`.")
    id_key_digest: str = Field(default="", description="Digest of the key of the document ids, set by `resolve`.")
    erased: list[str] = Field(default=[], description="Ids of documents to leave out, set by `resolve`.")
    erased_values: list[str] = Field(default=[], description="Keyed digests of erased values, set by `resolve`.")

    @model_validator(mode="after")
    def _labels_differ(self) -> IngestConfig:
        labels = [source.label for source in self.sources]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two sources are called {label!r}, so ids would clash. Give one a different `name`")
        return self

    def resolve(self, folder: Path) -> Self:
        """Return this config with all that its output depends on: the folder, the state of files and the id key."""
        sources = [source.located(folder) for source in self.sources]
        return (
            super()
            .resolve(folder)
            .model_copy(
                update={
                    "sources": sources,
                    "fingerprints": [source.fingerprint() for source in sources],
                    "id_key_digest": ID_KEY.digest(folder),
                    "erased": erased_documents(folder),
                    "erased_values": known_values(folder),
                }
            )
        )

    def prepare(self, folder: Path) -> bool:
        load_id_key(folder)
        return not self.id_key_digest

    def source_bytes(self, folder: Path) -> int:
        total = 0
        for source in (each.located(folder) for each in self.sources):
            for path in source.paths():
                with suppress(OSError):  # it will be quarantined
                    total += source.size(path)
        return total

    def mean_record_bytes(self, folder: Path) -> int:
        known = [mean for each in self.sources if (mean := each.mean_record_bytes(folder))]
        return max(known, default=0)


@stage(version=28)
def ingest(config: IngestConfig, out: Path, context: Context) -> Result:
    """Read every source. The licence gate comes first: no text with a refused licence is kept or used.

    The payload holds shards and `files.json` (path, sha256, bytes and licence of each file). It also holds
    `quarantine.jsonl`, with an object per record or file that could not be read. For each file in a unit of work it
    has at most 2 MiB of objects, and further records are only counted.
    Fields are `id`, `source`, `path`, `record` (its number, "" for a whole file), `offset` (of the fault, in the
    decompressed file), `reason`, `start` and `raw_bytes` (place of the record), and `raw` (its first 64 KiB in
    base64). The source `quarantine` reads this file.

    Raises UsageError if a setting names a field that no record of its source has.

    If the gate states a `use`, the payload has `licences.json` (licence of the mixture) and `ATTRIBUTION.txt` too.
    """
    for source in config.sources:
        _refuse_whole_source(config.licences, source)
    key = load_id_key(config.folder)
    if strangers := erased_by_other_keys(config.folder, key_digest(key)):
        context.log(
            f"WARNING: {len(strangers)} of {len(config.erased)} ids in {config.folder / ERASED_FILE} were made with a "
            "different key: these erased documents are not found, and are read again. Restore the key that made them "
            f"({KEY_VARIABLE}, or {KEY_FILE} beside the recipe), or erase these documents anew"
        )
    lines = tuple(map(Line.read, config.erased_values))
    bad_share, contents = config.largest_bad_share, erased_contents(config.folder)
    sources = [source.with_copies(context.scratch / COPIES) for source in config.sources]
    reader = Reader(sources, config.licences, key, frozenset(config.erased), lines, bad_share, contents)
    groups, unreadable = group_files(reader, config.shard_bytes)
    if said := hints(reason.removeprefix(NOT_READ) for reason in unreadable.counts):
        context.log(f"WARNING: {said}")
    if not LIMITS_MEMORY:
        context.log("WARNING: this system cannot limit the memory of a process: a hostile file could fill it")
    unreadable.add(look_at_files(reader, config.shard_bytes, groups, context))
    if strangers_of(config.folder, key_digest(key)):
        context.log(
            f"WARNING: values in {config.folder / VALUES_FILE} have a different key: texts are not searched for them. "
            f"Restore the key that made them ({KEY_VARIABLE}, or {KEY_FILE} beside the recipe), or erase them anew"
        )
    files, units, origins = cut_into_units(reader, config.shard_bytes, groups, context, config.id_key_digest)
    read = partial(read_unit, reader)
    searched = Searched(next((folder.parents[2] for folder in context.earlier.folders), None))
    accept = partial(_is_untouched, reader, searched)
    tally = map_units(units, read, out, context, origins=origins, accept=accept)
    searched.write()
    if orders := _orders_of_dates(config, [record["facts"]["dates"] for record in unit_records(len(units), context)]):
        read = partial(read_unit, _with_orders(reader, orders))
        if again := _with_two_ways(orders, len(units), context):
            for index in again:
                context.check_stop()
                context.journal.append({"step": "dates", "begun": index})  # its record is written before its shard
                do_again(read, out, context, (index, units[index]))
                context.journal.append({"step": "dates", "ended": index})
            tally = map_units(units, read, out, context, origins=origins)  # all are finished: it sums up again
    if repeated := _repeated(out):
        _keep_the_first(repeated, units, read, out, context)
        tally = map_units(units, read, out, context, origins=origins)  # all are finished: it sums up again
    tally.add(unreadable)
    if left_out := tally.counts[HOLDS_ERASED]:
        context.log(f"{left_out} records hold what was erased ({VALUES_FILE}), and are left out")
    if moved := tally.counts[IN_PLACE]:
        context.log(
            f"WARNING: {moved} records have the number of an erased one in their file, and another text: they are "
            "read. If one is an erased record that was changed, erase it again. Give sources of rows a `key_field`"
        )
    bad = (quarantined(len(units), context), quarantined(len(groups), context, FILES), unreadable.quarantined)
    write_atomically(out / "files.json", (json.dumps(files, indent=1, ensure_ascii=False) + "\n").encode())
    write_json_lines(out / "quarantine.jsonl", chain.from_iterable(bad))
    tally.counts["files"] = len(files)
    read_names = [record["facts"]["named"] for record in unit_records(len(units), context)]
    for source in (each for each in config.sources if each.refuses_unmet):
        names = [unit[source.label] for unit in read_names if source.label in unit]
        refuse_unmet(source.named(), names, f"Source {source.label}: ", "records")
    if not tally.counts["documents"]:
        raise LmworksError(_nothing_read(tally))
    _refuse_many_bad(config, tally.counts, next(_examples(tally, QUARANTINED), None), out)
    _settle_licences(config.licences, tally.counts, out)
    _judge_each_source(config, [record["facts"] for record in unit_records(len(units), context)], out)
    return Result(counts=tally.counts, losses=tally.losses, examples=tally.examples)


def _orders_of_dates(config: IngestConfig, units: Sequence[Mapping[str, Mapping[str, str]]]) -> dict[str, str]:
    """Return the order of day and month, by label, of sources without `dates` in which a day above 12 shows it.

    Raises UsageError for a source whose dates show both orders.
    """
    found: dict[str, str] = {}
    for label in [each.label for each in config.sources if not getattr(each, "dates", "")]:
        told = dict(chain.from_iterable(reversed([*each.get(label, {}).items()]) for each in reversed(units)))
        told.pop(TWO_WAYS, None)
        if len(told) > 1:
            (one, first), (other, second) = sorted((order, hide(place)) for order, place in told.items())
            raise UsageError(
                f"Source {label}: the dates of `created_field` are written in two ways: {one} in {first}, {other} in "
                f"{second}. Fix the dates, read the files as two sources, or set `dates`: dates in the other order "
                "are then quarantined"
            )
        if told:
            (found[label],) = told
    return found


def _with_orders(reader: Reader, orders: Mapping[str, str]) -> Reader:
    sources = [
        each.model_copy(update={"dates": orders[each.label]}) if each.label in orders else each
        for each in reader.sources
    ]
    return replace(reader, sources=sources)


def _with_two_ways(orders: Mapping[str, str], units: int, context: Context) -> list[int]:
    """Return the units with dates that can be read in two ways, from sources whose order is known."""
    dates = (record["facts"]["dates"] for record in unit_records(units, context))
    found = {number for number, each in enumerate(dates) if any(TWO_WAYS in each.get(label, ()) for label in orders)}
    noted = [record for record in context.journal.records() if record.get("step") == "dates"]
    cut_off = {record["begun"] for record in noted if "begun" in record} - {record.get("ended") for record in noted}
    return sorted(found | cut_off)


def _nothing_read(tally: Tally) -> str:
    """Return why there is no document: all reasons, the most frequent one first, and a record as an example."""
    reasons = _reasons(tally.counts)
    common = next((reason for reason, _ in reasons.most_common()), "")
    return f"No document could be read: {_why(reasons, next(_examples(tally, common), None))}"


def _reasons(counts: Mapping[str, int]) -> Counter[str]:
    return Counter({reason: times for reason, times in counts.items() if reason not in NO_REASONS})


def _examples(tally: Tally, reason: str) -> Iterator[Mapping[str, Any]]:
    return (each for each in tally.examples if each["reason"].startswith(reason) and "detail" in each)


def _why(reasons: Counter[str], example: Mapping[str, Any] | None) -> str:
    said = f"{format_counts(reasons) or 'its files hold no record'}."
    if example is None:
        return said
    common = next((reason for reason, _ in reasons.most_common()), "")
    return f"{said} {_shown(example)}." + MISSING * ("missing" in common)


def _shown(example: Mapping[str, Any]) -> str:
    record = f", record {example['record']}" if example["record"] else ""
    return f"{example['source']}: {example['path']}{record}: {example['detail']}"


def _judge_each_source(config: IngestConfig, units: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Raise LmworksError if one of several sources gave no document, GateRefused if much of a source is bad."""
    if len(config.sources) == 1:
        return
    for label in [source.label for source in config.sources]:
        counts = sum((Counter(unit["sources"].get(label, {})) for unit in units), Counter[str]())
        bad = next((unit["unread"][label] for unit in units if label in unit["unread"]), None)
        example = hide_all([{"source": label, **bad, "detail": bad["reason"]}])[0] if bad else None
        if not (counts["documents"] or counts["erased"] or counts[HOLDS_ERASED]):
            raise LmworksError(
                f"Source {label}: no document of it could be read: {_why(_reasons(counts), example)} Fix its settings "
                "(docs/sources.md), or leave the source out"
            )
        _refuse_many_bad(config, counts, example, out, f"Source {label}: ")


def _refuse_many_bad(
    config: IngestConfig, counts: Mapping[str, int], example: Mapping[str, Any] | None, out: Path, where: str = ""
) -> None:
    """Raise GateRefused if too many of the records could not be read."""
    reasons = Counter({reason: times for reason, times in counts.items() if reason.startswith(QUARANTINED)})
    documents, behind = counts["documents"], counts[BEHIND_DAMAGE]
    bad = reasons.total() + behind
    if bad <= FEW_BAD or bad <= config.largest_bad_share * (bad + documents):
        return
    told = f"about {behind:,} of them behind damage; " * bool(behind)
    raise GateRefused(
        f"{where}{bad:,} of {bad + documents:,} records could not be read, more than largest_bad_share "
        f"({config.largest_bad_share:g}): {told}{format_counts(reasons)}. {f'{_shown(example)}. ' if example else ''}"
        f"{'Some' if counts[NOT_KEPT] else 'All'} of them are in {out / 'quarantine.jsonl'}. Fix the source or its "
        "settings (docs/sources.md), or raise largest_bad_share"
    )


def _settle_licences(gate: LicenceGate, reasons: Mapping[str, int], out: Path) -> None:
    """Raise GateRefused for a mixture that cannot be distributed. Write the licences of what passed."""
    counts: Counter[tuple[str, str]] = Counter()
    for shard in Documents(out, "").shards():
        pairs = pc.binary_join_element_wise(*read_columns(shard, ["source", "licence"]).columns, "\0")
        for each in pc.value_counts(pairs).to_pylist():
            source, _, licence = each["values"].partition("\0")
            counts[source, licence] += each["counts"]
    mixture = combined_licence(gate, [licence for _, licence in counts])
    if gate.use is None:
        return
    passed = sum(counts.values())
    judged = passed + sum(count for reason, count in reasons.items() if reason.startswith(REFUSALS))
    listing = {
        "use": gate.use,
        "records": judged,
        "passed": passed,
        "share_without_licence": round(reasons.get(NO_LICENCE, 0) / judged, 6),
        "mixture": asdict(mixture),
        "sources": [
            {"source": name, "licence": licence, "documents": n} for (name, licence), n in sorted(counts.items())
        ],
    }
    write_atomically(out / "licences.json", (json.dumps(listing, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomically(out / "ATTRIBUTION.txt", attribution_text(mixture, counts).encode())


def _refuse_whole_source(gate: LicenceGate, source: SourceConfig) -> None:
    licence = source.source_licence
    if licence is None and source.has_licence_by_record:
        return
    reason = gate.refusal(licence)
    if reason:
        named = f" ({licence})" if licence and licence not in reason else ""
        allowed = ", ".join([*gate.allow, *([f"licences for {gate.use} use"] if gate.use else [])]) or "none"
        raise GateRefused(
            f"Source {source.label}: {reason}{named}. Allowed: {allowed}. State the source's licence (an SPDX "
            "expression), and add it to `licences.allow` if you have decided that it may be used."
        )


def _is_untouched(reader: Reader, searched: Searched, unit: Unit) -> bool:
    """Return whether a unit of an earlier build left out the same erased documents as this build would.

    The unit is searched for those erased values for which it was not searched before.
    """
    record, erased = unit.record, reader.erased
    facts = record["facts"]
    if not erased.issuperset(facts["erased"]) or not {line.digest for line in reader.lines}.issuperset(
        facts.get("by_value", ())
    ):
        return False
    ids = (read_columns(unit.path(pattern), ["id"]).column("id").to_pylist() for pattern in unit.entry.files if erased)
    if not erased.isdisjoint(chain(facts["left_out"], *ids)):
        return False
    known = searched.values_of(unit).union(facts.get("searched", ()))
    lines = [line for line in reader.lines if line.digest not in known]
    new = Erased(reader.key, lines)
    written = (read_shard(unit.path(pattern)) for pattern in unit.entry.files if new)
    if any(any(new.in_documents(documents)) for documents in written) or (
        new and any(any(new.find(said_by(bad))) for bad in record["quarantined"])
    ):
        return False
    searched.note(unit, known.union(line.digest for line in lines))
    return True


def _repeated(out: Path) -> set[str]:
    """Return the ids that several records have, because the source's own key is not unique."""
    with (out / "ids.txt").open() as stream:
        return {one.rstrip() for one, next_ in pairwise(stream) if one == next_}


def _keep_the_first(
    repeated: set[str],
    units: Sequence[PieceUnit],
    read: Callable[..., tuple[Parts, Tally]],
    out: Path,
    context: Context,
) -> None:
    """Read units with repeated ids again. The first record with such an id, in the source's order, keeps the id."""
    # With the ids of a run that was killed: a unit that is read again for one of them must not bring others back.
    context.journal.append({"step": "repeated", "ids": sorted(repeated)})
    known = [record["ids"] for record in context.journal.records() if record.get("step") == "repeated"]
    taken = dict.fromkeys(chain.from_iterable(known), False)
    for shard in Documents(out, "").shards():
        context.check_stop()
        index = int(shard.stem.removeprefix("part-"))
        if not taken.keys().isdisjoint(read_columns(shard, ["id"]).column("id").to_pylist()):
            do_again(partial(read, taken=taken), out, context, (index, units[index]))
