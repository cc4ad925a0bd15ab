"""The listing of an erasure, for the terminal and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.cli.options import print_json

if TYPE_CHECKING:
    from lmworks.data.erasure.taken import Taken, Why
    from lmworks.pipeline.store import Artifact, Store

LEFT = "shards that an earlier erasure left"
KINDS = {
    "value": "with a value",
    "match": "that match --match",
    "subject": "of the subject",
    "named": "named by id",
    "confirmed": "confirmed by --with",
    "begun": "whose erasure was begun before, and did not end",
}
OFFERED = {
    "inside": "with a value inside a longer word, in another order or split",
    "path": "in a folder whose name holds a value",
    "near": "near copies that hold no value",
    "subject": "of the subject of records with a value",
    "copy": "exact copies that hold no value",
}
SHORT = "a value of fewer than 3 letters, or of only digits and fewer than 5, is not searched for in texts"
"""Reason why a short value is only compared with subjects."""
NAMED = (
    "The names of files or folders in your sources hold a value. Rename or delete them, then type `lmworks build` and "
    "`lmworks gc --apply`."
)
"""Advice if a list of a source's files still holds a value."""
LISTED = 20
"""Maximum number of records that are listed by id. Further records are only counted."""


@dataclass
class Listing:
    """Text and JSON of an erasure's result."""

    store: Store
    taken: Taken
    found: Mapping[Artifact, str]
    models: Mapping[Artifact, tuple[str, str]]
    left: Sequence[Path]
    others: Mapping[str, str]
    """Further stores and logs, with what to do about each."""
    folders: Collection[Path]
    """Folders of recipes in which the erasure is noted."""
    is_applied: bool
    in_steps: Mapping[Artifact, tuple[int, int] | None]
    """Artifact → number of erased records that it lists, and number of all records that it lists."""
    numbered: Sequence[str]
    """Sources whose records can be named only by their number in a file."""
    is_again: bool = False
    """Whether everything was erased before, so that this run only searches."""
    searched: Mapping[str, Any] | None = None

    def counts(self) -> dict[str, Any]:
        """Return numbers of records: erased ones by reason, value and source, and offered ones by kind and source."""
        from lmworks.data.erasure.taken import BEFORE

        taken = Counter(why.kind for why in self.taken.records.values())
        offered = Counter(why.kind for why in self.taken.offered.values())
        return {
            "taken": len(self.taken.records) - taken[BEFORE],
            "searched": self.taken.of or None,
            "by_reason": {kind: taken[kind] for kind in KINDS if taken[kind]},
            "erased_before": taken[BEFORE],
            "by_value": {place + 1: count for place, count in self.taken.held.items()},
            "by_source": self.taken.by_source(self.taken.records),
            "not_taken": {kind: offered[kind] for kind in OFFERED if offered[kind]},
            "not_taken_by_source": self.taken.by_source(self.taken.offered),
        }

    def open_end(self) -> str:
        """Return why the erasure is not certain to be complete, or an empty string if it is."""
        told = self.searched or {"holding": 0, "not_read": ()}
        if self.taken.absent:
            said = (
                f"files that builds read and that are missing now, named above, not searched: {len(self.taken.absent)}"
            )
            if self.is_again or self.taken.is_noted:
                return (
                    f"{said}. The values were erased before, and the next build leaves out records with them. Records "
                    "listed as NOT TAKEN may come back. Type `lmworks build`, then this command with --certificate"
                )
            if not self.is_applied:
                return f"{said}. Type `lmworks build`, then this command; --apply notes the values for that build"
            return (
                f"{said}. The values are noted, and the next build leaves out records with them. Type `lmworks build`, "
                "then this command with --certificate. To be offered other records of these persons, give the subject "
                "of their records, too"
            )
        if told["holding"]:
            return f"files that still hold erased values: {told['holding']:,}. The certificate names them (held_by)"
        if (unread := len({*self.taken.damaged} | {each["place"] for each in told["not_read"]})) == 0:
            return ""
        said = f"files, named above, that could not be read: {unread:,}. Values in them were not found"
        if self.is_applied and all(not path.exists() for path in self.taken.damaged) and not told["not_read"]:
            return f"{said}, and they were deleted. Build, and check if other records of these persons come back"
        return f"{said}. Fix or delete them, or rebuild them with `lmworks build --rebuild STEP`, then erase again"

    def tell_json(self) -> None:
        """Print all of the listing as JSON, for a program."""
        rows: list[dict[str, Any]] = [
            {"step": _step(item), "key": item.key, "model": item in self.models, "counted_because": why}
            | {"reached_by": self.models[item][0] if item in self.models else None}
            | {"records": self._records_in(item)}
            for item, why in self.found.items()
        ]
        for each in self.left:
            facts = {"counted_because": f"{LEFT} of {each.parent.name}", "reached_by": None, "records": None}
            rows.append({"step": None, "key": each.name, "model": False} | facts)
        elsewhere = {"store": str(self.store.root), "not_looked_at": dict(self.others)}
        records = {name: why.said for name, why in self.taken.records.items()}
        offered = {name: why.said for name, why in self.taken.offered.items()}
        print_json(
            {"erased": self.is_applied, "counts": self.counts(), "held_by": rows}
            | {"records": records, "files": self.taken.paths}
            | {"not_taken": offered, "not_held": self.taken.missing}
            | {"kept": {name: why.said for name, why in self.taken.kept.items()}}
            | {"without_key_field": list(self.numbered)}
            | {"not_searched": {str(path): reason for path, reason in (self.taken.damaged | self.taken.absent).items()}}
            | elsewhere
        )

    def _records_in(self, artifact: Artifact) -> int | None:
        return counted[0] if (counted := self.in_steps.get(artifact)) else None

    def tell(self) -> None:
        """Print the numbers of records, the records, the artifacts with them, and the stores that were not searched."""
        from lmworks.data.erased.values import is_subject_alone
        from lmworks.release.trace.erased import as_text

        print(f"in {self.store.root}:")
        for folder in self.folders:
            if folder != Path.cwd():
                print(f"noted beside recipes in {folder}")
        counts = self.counts()
        of = f" of {counts['searched']:,}" if counts["searched"] else ""
        print(f"{counts['taken']:,}{of} records are {'taken' if self.is_applied else 'found'}:")
        for kind, count in counts["by_reason"].items():
            print(f"{count:8,}  {KINDS[kind]}")
        if counts["erased_before"]:
            print(f"{counts['erased_before']:8,}  more were erased before: this store holds nothing of them")
        for place, count in self.taken.held.items() if len(self.taken.held) > 1 else ():
            if count:
                print(f"{count:8,}  with value {place + 1}, or with it as subject")
        if self.taken.kept:
            print(f"{len(self.taken.kept):8,}  kept by --keep, in later builds too")
        for said in self.taken.missing:
            print(said)
        for place, value in enumerate(self.taken.sought):
            if self.taken.held[place] and is_subject_alone(value):
                print(f"value {place + 1} was only compared with subjects:\n{SHORT}")
        for kind, count in counts["not_taken"].items():
            print(f"{count:8,}  NOT taken: {OFFERED[kind]} (below)")
            for each in (each for each in counts["not_taken_by_source"] if each["reason"] == kind):
                print(f"{each['records']:12,}  in source {each['source']}")
        _tell_records(self.taken.records, self.taken.paths)
        for item, why in self.found.items():
            seen = f"  {counted[0]:,} of {counted[1]:,} records" if (counted := self.in_steps.get(item)) else ""
            seen += f"  counted as reached: {why}" if why else ""
            if item in self.models:
                seen += f"  {as_text(item, *self.models[item])}"
            print(f"{_step(item)}{seen}")
        for each in self.left:
            print(f"{LEFT} of {each.parent.name} {each.name[:12]}")
        done = f"{'deleted' if self.found or self.left else 'noted'}; to build the rest again, type `lmworks build`"
        if self.is_again:
            print("all was erased before: nothing was left to delete")
        else:
            print(done if self.is_applied else "these would be deleted with --apply")
        for label in self.numbered:
            print(f"source {label} has no key_field: its records are named only by row numbers,")
            print("which change if you delete a row. Read docs/erase.md before you do so")
        if self.taken.offered:
            print("NOT TAKEN; to erase one that is of the same person, add --with ID:")
            _tell_records(self.taken.offered, self.taken.sources | self.taken.paths)
        for path, reason in (self.taken.damaged | self.taken.absent).items():
            print(f"NOT SEARCHED: {path}: {reason}")
        if self.taken.unread:
            print(f"{len(self.taken.unread):,} records are in these files; what was made from them is deleted, too")
        for other, said in self.others.items():
            print(f"NOT LOOKED AT: {other} {said}")
        if self.searched is not None:
            self._tell_searched(self.searched)

    def _tell_searched(self, told: Mapping[str, Any]) -> None:
        by_text = told["sought_by_text"]
        print(f"searched afterwards: {told['said']}")
        print(f"{told['files']:8,}  files searched; {len(told['no_text']):,} files of weights and numbers were not")
        print(f"{by_text['records']:8,}  records searched for by {by_text['passages']:,} passages of their texts")
        if by_text["not_sought"]:
            print(
                f"{len(by_text['not_sought']):8,}  records not searched for by text, as no eight words are theirs alone"
            )
        for each in told["not_read"]:
            print(f"NOT SEARCHED: {self.store.root / each['place']}: {each['reason']}")
        for each in told["held_by"][:LISTED]:
            print(f"STILL HOLDS IT: {self.store.root / each['place']}")
        if any("/beside/files/" in each["place"] for each in told["held_by"]):
            print(NAMED)


def _tell_records(records: Mapping[str, Why], of: Mapping[str, str]) -> None:
    """Print why each record is erased or offered, and its file or source."""
    for name, why in [*sorted(records.items(), key=lambda item: (item[1].said, item[0]))][:LISTED]:
        print(f"  {name}  {why.said}" + (f"  of {of[name]}" if of.get(name) else ""))
    if len(records) > LISTED:
        print(f"  and {len(records) - LISTED:,} more, which --json lists")


def _step(artifact: Artifact) -> str:
    return artifact.manifest.step if artifact.is_readable else artifact.label
