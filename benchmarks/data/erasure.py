"""Erase people who stand in an archive in seven ways, and search all that is left: one JSON line an order of steps.

    python benchmarks/data/erasure.py [--people 50] [--more 0]

Each person is an original letter, an exact and a near copy, a malformed record, a translation that only its subject
tells of, a page with the address as an HTML entity, and a chat with the number alone. Translations hold no value: they
are offered as records of a subject, and confirmed by `--with`, as somebody who looked at them would; near copies that
are offered are contracts of others, and are not. Two orders: anonymised before or after curating. Everything under the
store is then searched, by this script and not by lmworks: Parquet, JSON, gzip and base64 decoded. What is left is
compared with a build from sources without these records. `--more` adds megabytes of texts of others, for the speed of
the search. Exit code 1 if anything is found, lost or different.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from e2e.erasure_corpus import GERMAN, ORDERS, WORDS, Person, people, write_archive, write_recipe
from e2e.small_recipe import lmworks
from e2e.test_erased_people import contents, documents

STEPS = (("raw", ""), ("clean", ""), ("corpus", ""), ("private", ""), ("split", "train"), ("split", "test"))


def pattern(persons: list[Person]) -> re.Pattern[str]:
    """The addresses, as they stand or encoded, and the numbers, with or without the country's code, of people."""
    mails = "|".join(re.escape(each.email).replace("@", "(?:@|&#64;|.u0040)") for each in persons)
    numbers = "|".join(rf"{each.phone[1:4]}\D{{0,3}}{each.phone[4:]}(?!\d)" for each in persons)
    return re.compile(f"{mails}|{numbers}")


def write_more(folder: Path, megabytes: int) -> None:
    """Texts of others, each of its own words."""
    draw = random.Random(5)
    words = (WORDS + " " + GERMAN).split()
    for number in range(megabytes):
        with (folder / "letters" / f"more-{number:04d}.jsonl").open("w") as stream:
            while stream.tell() < 1e6:
                text = f"{draw.random()} {' '.join(draw.choices(words, k=300))} +49 30 {draw.randrange(10**7, 10**8)}"
                stream.write(json.dumps({"text": text, "writer": f"W{draw.random()}"}) + "\n")


def spent() -> float:
    """Processor seconds of commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(order: str, count: int, more: int, folder: Path) -> dict[str, object]:
    """Build, erase, build again; what stands where, and how long it took."""
    persons, project, by_hand = people(count), folder / "project", folder / "by-hand"
    wanted = [value for each in persons for value in (each.email, each.phone)]
    write_archive(project, persons)
    write_more(project, more)
    lmworks(project, "build", str(write_recipe(project, order)))
    store, search = project / ".lmworks", pattern(persons)
    text_bytes = sum(len(each.text.encode()) for each in documents(project, "raw").values())

    def standing() -> int:
        return sum(bool(search.search(text)) for _, text in contents(store))

    before = standing()
    began, used = time.perf_counter(), spent()
    listed = json.loads(lmworks(project, "erase", *wanted, "--json").stdout)
    seconds, processor = time.perf_counter() - began, spent() - used
    of_subjects = [name for name, why in listed["not_taken"].items() if why.startswith("of the subject")]
    confirmed = [f"--with={name}" for name in of_subjects]
    began = time.perf_counter()
    applied_to = lmworks(
        project, "erase", *wanted, *confirmed, "--apply", "--json", "--certificate", "certificate.json"
    )
    applied, after = time.perf_counter() - began, standing()
    began = time.perf_counter()
    lmworks(project, "build")
    rebuilt, again = time.perf_counter() - began, standing()
    write_archive(by_hand, persons, forgotten=count)
    write_more(by_hand, more)
    shutil.copy(project / ".lmworks-privacy-key", by_hand)
    lmworks(by_hand, "build", str(write_recipe(by_hand, order)))
    equal = [documents(project, step, part) == documents(by_hand, step, part) for step, part in STEPS]
    contracts = sum("This contract" in each.text for each in documents(project, "raw").values())
    certificate = json.loads((project / "certificate.json").read_text())
    return {
        "order": order,
        "people": count,
        "records_taken_at_first": len(listed["records"]),
        "records_confirmed": len(confirmed),
        "records_taken": len(json.loads(applied_to.stdout)["records"]),
        "records_planted": 7 * count + 1,
        "offered": len(listed["not_taken"]),
        "places_before": before,
        "places_after": after,
        "places_after_building": again,
        "equal_to_a_build_without": all(equal),
        "similar_contracts_of_others_left": contracts,
        "text_megabytes": round(text_bytes / 1e6, 2),
        "search_seconds": round(seconds, 1),
        "search_processor_seconds": round(processor, 1),
        "erase_seconds": round(applied, 1),
        "rebuild_seconds": round(rebuilt, 1),
        "certificate_holding": certificate["holding"],
        "certificate_files": certificate["files"],
    }


def main() -> None:
    """Both orders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--more", type=int, default=0)
    options = parser.parse_args()
    is_right = True
    for order in ORDERS:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "project").mkdir()
            (Path(folder) / "by-hand").mkdir()
            found = measure(order, options.people, options.more, Path(folder))
        print(json.dumps(found))
        is_right &= not (found["places_after"] or found["places_after_building"] or found["certificate_holding"])
        is_right &= bool(found["equal_to_a_build_without"]) and found["similar_contracts_of_others_left"] == 60
        is_right &= found["records_taken"] == found["records_planted"] and found["records_confirmed"] == options.people
    sys.exit(0 if is_right else 1)


if __name__ == "__main__":
    main()
