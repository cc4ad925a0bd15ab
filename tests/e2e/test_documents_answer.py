"""A folder of documents, from `lmworks init` to answers: they quote the right document, or say that none answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.small_recipe import lmworks
from live_server import listening
from lmworks.application.app import make_app

pytestmark = pytest.mark.whole

MINUTES = {
    "enero": "Se adjudica a Construcciones Hervás la reparación del tejado de la escuela infantil por un importe "
    "de 38.400 euros. El plazo de ejecución es de tres meses. La concejala Lucía Bermejo informa de que "
    "la piscina municipal abrirá el 15 de junio y cerrará el 10 de septiembre.",
    "febrero": "Se acuerda sustituir las farolas de la calle Mayor por luminarias de bajo consumo. El presupuesto "
    "asciende a 21.750 euros y lo financia la Diputación en su mitad. El pleno limita el horario de las "
    "terrazas a la una de la madrugada.",
    "marzo": "Se concede la licencia de obra a don Tomás Ibarra para levantar una nave ganadera en el paraje de la "
    "Dehesilla. La tasa de recogida de basuras sube a 64 euros anuales por vivienda. Votan en contra los "
    "dos concejales de la oposición.",
    "abril": "La biblioteca amplía su horario: abrirá también los sábados de diez a dos. La encargada, Noelia "
    "Sanz, pedirá trescientos libros nuevos. Se aprueba contratar a una empresa de Soria para podar los "
    "plátanos del paseo del Río.",
    "mayo": "Las fiestas patronales se celebrarán del 14 al 18 de agosto. La orquesta Alborada tocará dos noches "
    "y cobrará 9.800 euros. Se rechaza la solicitud del circo ambulante de instalarse en la plaza del "
    "Mercado.",
    "junio": "Toma posesión de su acta la concejala Irene Maldonado en sustitución de don Julián Prieto, que "
    "dimite. La avería de la depuradora obliga a una compra urgente de dos bombas a la casa Aquaduero por "
    "17.300 euros.",
    "julio": "El granizo dañó cuarenta y dos viviendas y el frontón. El pleno abre una línea de ayudas de 600 "
    "euros por familia afectada. Las solicitudes se presentan en el registro hasta el 30 de septiembre.",
    "septiembre": "El autobús escolar tendrá una parada nueva junto al consultorio médico. Se vende en subasta el "
    "solar municipal de la calle Olivo. La mejor oferta es de la cooperativa San Isidro, con 54.200 euros.",
    "octubre": "El coto de caza se arrienda a la sociedad de cazadores La Perdiz por diez años a razón de 4.100 "
    "euros anuales. La concejala de cultura propone un taller de teatro para mayores, que dirigirá la "
    "actriz Marta Quiroga.",
    "noviembre": "Se instala un desfibrilador en el polideportivo. Protección Civil formará a veinte voluntarios. El "
    "camino del cementerio se asfaltará en primavera. La obra corre a cargo de la mancomunidad.",
}
ASKED = {
    "¿Quién arregló la escuela?": "enero",
    "¿Quién financia las farolas de la calle Mayor?": "febrero",
    "¿Qué días abre la biblioteca?": "abril",
    "¿Cuánto nos costaron las bombas?": "junio",
    "¿Dónde para ahora el autobús?": "septiembre",
    "¿Quién dirige el teatro?": "octubre",
}
ABSENT = ("¿Quién pintó Las Meninas?", "¿Cómo se prepara una tortilla de patatas?", "¿Cuál es la capital de Australia?")


def answers(folder: Path, questions: Sequence[str]) -> list[str]:
    """Ask with `lmworks predict`."""
    lines = "".join(json.dumps({"text": question}, ensure_ascii=False) + "\n" for question in questions)
    (folder / "asked.jsonl").write_text(lines)
    lmworks(folder, "predict", "own", "asked.jsonl", "--overwrite")
    rows = (folder / "asked.predicted.jsonl").read_text().splitlines()
    return [json.loads(row)["predicted_text"] for row in rows]


@pytest.fixture(scope="module")
def council(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("council")
    write(folder / "own", MINUTES)
    lmworks(folder, "init", "own", "--yes", "--licence", "LicenseRef-own", "--use-case", "actas", "--task", "search")
    lmworks(folder, "build", "own", "--set", "plan.measure=false")
    return folder


def write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(f"# Acta del pleno de {name}\n\n{text}\n")


def test_question_words_that_no_document_has_hide_no_answer(council: Path) -> None:
    found = dict(zip(ASKED, answers(council, list(ASKED)), strict=True))
    assert {question: text for question, text in found.items() if f"{ASKED[question]}.md" not in text} == {}


def test_a_question_that_no_document_answers_is_told_in_the_words_of_the_recipe(council: Path) -> None:
    assert set(answers(council, ABSENT)) == {"Los documentos no dicen nada sobre esto."}


def test_the_opened_pages_offer_the_passages(council: Path, tmp_path: Path) -> None:
    with listening(make_app(council / "own" / ".lmworks", "key", tmp_path, "cpu")) as address:
        accept: dict[str, Any] = {"headers": {"accept": "text/html"}, "follow_redirects": True, "timeout": 60}
        with httpx.Client(base_url=f"{address}/key", **accept) as http:
            first = http.get("/")
            assert "<code>lmworks serve</code> answers questions" in first.text
            for page in ("chat", "predict"):
                shown = http.get(f"{first.url}".replace("overview", page)).text
                assert "passages" in shown and "no model yet" not in shown


MEASURED = """\
name: list
use_case: prices
data:
  texts:
    kind: ingest
    sources: [{kind: files, path: texts, licence: CC0-1.0}]
    licences: {allow: [permissive]}
  chatted:
    kind: ingest
    sources: [{kind: files, path: chats, licence: CC0-1.0, fields: all}]
    licences: {allow: [permissive]}
  chats: {kind: conversations, from: chatted}
  passages: {kind: passages, from: texts, questions: chats}
serve: {model: passages}
"""
ENDS = ("dak", "fen", "gol", "hus", "jit", "nep", "rov", "wix", "yem", "qual")


@pytest.mark.parametrize(("shift", "verdict"), [(0, "Yes: passages quotes"), (1, "No: passages quotes")])
def test_the_last_screen_says_how_often_the_right_passage_is_found(shift: int, verdict: str, tmp_path: Path) -> None:
    things = [begins + ends for begins in ("bal", "kor", "mip", "tuz", "ven", "zor") for ends in ENDS]
    number = len(things)
    for name in ("texts", "chats"):
        (tmp_path / name).mkdir()
    for n, thing in enumerate(things):
        (tmp_path / "texts" / f"{n}.txt").write_text(f"A {thing} costs {n + 1000} crowns in the list of the town hall.")
    chats = [
        [
            {"role": "user", "content": f"What does a {things[(n + shift) % number]} cost?"},
            {"role": "assistant", "content": f"A {thing} costs {n + 1000} crowns"},
        ]
        for n, thing in enumerate(things)
    ]
    (tmp_path / "chats" / "asked.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    (tmp_path / "recipe.yaml").write_text(MEASURED)
    done = lmworks(tmp_path, "build", "recipe.yaml")
    last = " ".join((done.stdout + done.stderr).split())
    assert verdict in last and f"% of {number} questions." in last and "are told so" in last
    assert ("next: lmworks serve" in last) is (shift == 0)


def test_the_last_screen_says_that_nobody_measured_how_often_the_right_passage_is_found(council: Path) -> None:
    done = lmworks(council, "build", "own", "--set", "plan.measure=false")
    last = " ".join((done.stdout + done.stderr).split())
    assert "Not measured: passages quotes passages of the documents, and no model writes." in last
    assert "next: lmworks serve" in last
