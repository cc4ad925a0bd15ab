"""What a build shows of texts holds no personal data, though no step has anonymised them yet."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow

RECIPE = """\
name: letters
use_case: answering letters
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: CC0-1.0, key_field: writer}]
    licences: {allow: [CC0-1.0]}
  clean: {kind: normalise, from: raw}
  corpus: {kind: curate, from: clean, filters: [length]}
  private: {kind: anonymise, from: corpus, action: redact}
"""
MAIL = "jane.roe@example.com"
LETTER = f"Please send the invoice for the garden chairs to {MAIL}, as you did in May, and not to the shop."


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A letter that stands twice, one that is too short, one that is no JSON, and one whose key is no key."""
    folder = tmp_path_factory.mktemp("letters")
    rows = [{"writer": "1", "text": LETTER}, {"writer": "2", "text": LETTER}, {"writer": "3", "text": f"ask {MAIL}"}]
    lines = [*map(json.dumps, rows), f'{{"writer": "4", "text": "{MAIL}', json.dumps({"writer": [MAIL], "text": "so"})]
    (folder / "letters").mkdir()
    (folder / "letters" / "letters.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE)
    lmworks(folder, "build", "recipe.yaml")
    return folder


def test_examples_are_written_without_personal_data(project: Path) -> None:
    store = project / ".lmworks"
    written = {path: path.read_text() for path in store.glob("artifacts/*/*/payload/examples.jsonl")}
    assert any("exact duplicate" in text and "email hidden" in text for text in written.values())
    units = [json.loads(path.read_text()) for path in store.glob("artifacts/*/*/beside/units/*/0*.json")]
    shown = [*written.values(), *(json.dumps(unit["examples"]) for unit in units)]
    assert [text for text in shown if MAIL in text] == []


def test_views_of_examples_and_of_the_quarantine_hide_personal_data(project: Path) -> None:
    seen = [lmworks(project, "show", step).stdout for step in ("raw", "corpus")]
    seen.append(lmworks(project, "data", "inspect", "raw").stdout)
    seen.append(lmworks(project, "data", "inspect", "corpus").stdout)
    lmworks(project, "report")
    lmworks(project, "data", "report")
    seen += [path.read_text() for path in (project / ".lmworks" / "reports").glob("*.html")]
    assert len(seen) >= 6 and sum("is no key" in text for text in seen) >= 3
    assert [text for text in seen if MAIL in text] == []


def test_the_quarantine_still_holds_what_mends_it(project: Path) -> None:
    payload = Path(lmworks(project, "show", "raw", "--path").stdout.strip())
    records = [json.loads(line) for line in (payload / "quarantine.jsonl").read_text().splitlines()]
    assert all(MAIL in base64.b64decode(record["raw"]).decode() for record in records) and len(records) == 2
