"""The recipe for clinical notes: literature and notes in, nothing of a patient in the clear out."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from faker import Faker

from e2e.small_recipe import lmworks
from lmworks.data.shards.records import Documents

pytestmark = pytest.mark.slow
RECIPE = Path(__file__).parents[2] / "recipes" / "clinical-notes.yaml"
ARTICLE = """<PubmedArticle><MedlineCitation><PMID>{number}</PMID><Article><Journal><Title>J Test</Title></Journal>
<ArticleTitle>Study {number} of {topic}.</ArticleTitle><Abstract><AbstractText>We asked {count} people about {topic} and
found that rest helped most of them within {number} days.</AbstractText></Abstract></Article></MedlineCitation>
</PubmedArticle>"""


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, list[dict[str, str]]]:
    """The recipe beside made-up literature and notes."""
    shutil.copy(RECIPE, tmp_path)
    (tmp_path / "pubmed").mkdir()
    topics = ("cough", "fever", "headache", "sleep", "pain")
    articles = "".join(
        ARTICLE.format(number=number, topic=topics[number % 5], count=number * 13) for number in range(1, 41)
    )
    (tmp_path / "pubmed" / "baseline.xml.gz").write_bytes(
        gzip.compress(f"<PubmedArticleSet>{articles}</PubmedArticleSet>".encode())
    )
    faker = Faker("en_GB")
    faker.seed_instance(7)
    notes = []
    for number in range(60):
        patient = notes[number - 30]["patient"] if number >= 30 else f"{faker.first_name()} {faker.last_name()}"
        text = (
            f"{patient}, MRN {8_000_000 + number % 30}, was admitted on {number % 27 + 1} March 2024 with "
            f"{topics[number % 5]}. Reached at {faker.ascii_email()}. Ward round {number}: slept well, walked "
            f"{number * 3} steps, took {number} mg, and felt better than on the day before."
        )
        notes.append({"note": f"n{number}", "patient": patient, "text": text})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "ward.jsonl").write_text("".join(json.dumps(note) + "\n" for note in notes))
    return tmp_path, notes


def test_no_name_number_or_address_of_a_patient_reaches_the_corpus(
    project: tuple[Path, list[dict[str, str]]],
) -> None:
    folder, notes = project
    said = lmworks(folder, "build", "clinical-notes.yaml", "--until", "corpus").stderr
    assert "private: `needs.privacy` is confidential, and names of persons, places" in " ".join(said.split())
    private = Documents(Path(lmworks(folder, "show", "private", "--path").stdout.strip()), "")
    documents = list(private.iterate())
    assert len(documents) == 100
    written = "\n".join(document.text + json.dumps(dict(document.meta)) for document in documents)
    for note in notes:
        email = next(word for word in note["text"].split() if "@" in word).rstrip(".")
        for secret in (note["patient"], email, note["text"].split("MRN ")[1].split(",")[0]):
            assert secret not in written
    made_up = {document.meta["patient"] for document in documents if document.source == "notes"}
    assert len(made_up) == len({note["patient"] for note in notes}), "one patient, one made-up name"
    groups = json.loads((Path(lmworks(folder, "show", "split", "--path").stdout.strip()) / "groups.json").read_text())
    assert groups["test"] and groups["by"] == "patient"
    found = json.loads(lmworks(folder, "data", "find", notes[0]["patient"], "--json").stdout)
    assert len({place["document"] for place in found}) == 2
