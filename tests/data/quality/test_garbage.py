"""Garbage goes by its own name; documentation, code, tables, poems and what is not known stay."""

from __future__ import annotations

import random
import string
import textwrap
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.quality.clean_text import Lexicon, clean_text
from lmworks.data.quality.garbage import SCORES, garbage, score

ENGLISH = (
    "Creates a queue in the account. You must own the account, and the name of the queue must not be taken yet. "
    "If the queue exists, the call fails and nothing is changed. Names are compared letter by letter, so two queues "
    "whose names differ in capitals are two queues. A queue that nobody used for thirty days is deleted by itself. "
    "Before that happens, the owner is told twice by mail, and anybody who reads from the queue can ask for more time."
)
GERMAN = (
    "Erstellt eine Warteschlange im Konto. Das Konto muss Ihnen gehören, und der Name darf noch nicht vergeben sein. "
    "Wenn die Warteschlange schon besteht, schlägt der Aufruf fehl und nichts wird geändert. Die Namen werden Zeichen "
    "für Zeichen verglichen, so dass zwei Warteschlangen, deren Namen sich nur in der Größe der Buchstaben "
    "unterscheiden, zwei verschiedene sind. Eine Warteschlange, die dreißig Tage lang von niemandem benutzt wurde, "
    "wird von selbst gelöscht. Der Besitzer bekommt vorher zweimal Post, und wer aus ihr liest, kann um Zeit bitten."
)
POEM = (
    "The lamp is lit, the boats come home,\nThe harbour bell is slow,\nAnd over all the evening foam\nThe winds of "
    "summer blow.\n\nI counted every sail that came,\nI counted them by light,\nAnd there was one without a name\n"
    "That went into the night.\n\nThe lamp is out, the boats are in,\nThe bell has ceased to ring,\nAnd in the reeds "
    "the birds begin\nThe song that sailors sing."
)
CODE = """
def create_queue(client, name, *, tags=None):
    \"\"\"Create a queue, or find the one that has the name.\"\"\"
    request = {"QueueName": name, "Attributes": {"DelaySeconds": "0"}}
    if tags:
        request["tags"] = {key: str(value) for key, value in tags.items()}
    try:
        return client.create_queue(**request)["QueueUrl"]
    except client.exceptions.QueueNameExists as error:
        logger.warning("queue %s exists: %s", name, error)
        return client.get_queue_url(QueueName=name)["QueueUrl"]
"""
TABLE = "\n".join(
    ["date,open,high,low,close", *(f"2024-01-{d:02d},{d}.5,{d + 1}.25,{d}.0,{d}.75" for d in range(1, 29))]
)
GIVEN = ("Wojciech", "Gwen", "Siobhan", "Ngozi", "Bjorn", "Zsofia", "Xavier", "Ingrid", "Dmitri", "Anneke")
FAMILIES = ("Brzozowski", "Tunnicliffe", "Ni Dhomhnaill", "Okwuosa", "Halvorsen", "Szabo", "Quiroga", "Vijayan")
WARES = ("watch", "ticket", "credit", "flight", "hotel", "garden", "water", "paper")
RUSSIAN = (
    "Создаёт очередь в учётной записи. Учётная запись должна принадлежать вам, а имя очереди не должно быть занято. "
    "Если очередь уже существует, вызов завершается ошибкой, и ничего не меняется. Имена сравниваются побуквенно."
)
ICELANDIC = (
    "Hver maður er borinn frjáls og jafn öðrum að virðingu og réttindum. Menn eru gæddir vitsmunum og samvisku, og ber "
    "þeim að breyta bróðurlega hverjum við annan. Hver maður skal eiga kröfu á réttindum þeim og því frjálsræði."
)


def reason(text: str) -> str | None:
    return garbage(score([text]))[0]


@pytest.mark.parametrize(
    "text", [ENGLISH, GERMAN, POEM, CODE, TABLE, RUSSIAN, ICELANDIC, "S3 GetObject", "", "?" * 500]
)
def test_good_and_unknown_texts_stay(text: str) -> None:
    assert reason(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "ApiGatewayV2 GetVpcLink\n\nGets a VPC link.\n\nParameters:\nVpcLinkId: The ID of the VPC link.",
        "DSQL GetVpcEndpointServiceName\n\nRetrieves the VPC endpoint service name.\n\nParameters:\nname: The ID.",
        "Chins Situps Jumps\n" + "\n".join(f"{number} {7 * number % 90} {50 + number}" for number in range(20)),
    ],
)
def test_short_texts_with_many_names_and_tables_with_a_head_stay(text: str) -> None:
    assert reason(text) is None


@pytest.mark.parametrize("form", ["| {} |", "{}"])
def test_tables_of_names_stay(form: str) -> None:
    draw = random.Random(0)
    people = [
        (
            f"{draw.choice(GIVEN)} {draw.choice(FAMILIES)}",
            draw.choice(("nurse", "clerk", "cook", "porter")),
            f"{draw.choice('ABC')}{draw.randrange(100, 400)}",
            draw.choice(("Leeds", "York", "Hull", "Bath")),
        )
        for _ in range(14 * 20)
    ]
    tables = [
        "\n".join(form.format(" | ".join(row)) for row in [("name", "job", "room", "city"), *people[at : at + 14]])
        for at in range(0, len(people), 14)
    ]
    assert garbage(score(tables)) == [None] * 20


def words_of(letters: str) -> Callable[[random.Random], str]:
    return lambda draw: " ".join("".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(80))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (words_of(string.ascii_lowercase), "garbage: letters of no word"),
        (words_of("asdfghjkl;"), "garbage: letters of no word"),
        (lambda draw: " ".join(str(draw.randrange(10**6)) for _ in range(80)), "garbage: numbers"),
        (lambda draw: "".join(draw.choice("\ufffd" + 20 * each) for each in ENGLISH), "garbage: damaged characters"),
        (lambda draw: GERMAN.encode().decode("cp1252", "replace"), "garbage: damaged characters"),
        (lambda draw: GERMAN.encode("latin-1").decode("utf-8", "replace"), "garbage: damaged characters"),
        (
            lambda draw: " ".join(f"offers www.{draw.choice(WARES)}-shop.biz #{draw.choice(WARES)}" for _ in range(40)),
            "garbage: addresses",
        ),
    ],
)
def test_garbage_goes_by_its_name(make: Callable[[random.Random], str], expected: str) -> None:
    found = [reason(make(random.Random(seed))) for seed in range(20)]
    assert found.count(expected) >= 18


def test_what_a_poor_scan_left_goes() -> None:
    draw = random.Random(0)
    signs = "1|!ilc0oe5s"

    def misread(text: str) -> str:
        return "".join(draw.choice(signs) if each.isalpha() and draw.random() < 0.35 else each for each in text)

    noisy = [misread(ENGLISH) for _ in range(20)]
    assert sum(each is not None for each in garbage(score(noisy))) >= 18


FRENCH = (
    "Crée une file dans le compte. Le compte doit vous appartenir, et le nom de la file ne doit pas encore être pris. "
    "Si la file existe déjà, l'appel échoue et rien n'est changé. Les noms sont comparés lettre par lettre, de sorte "
    "que deux files dont les noms ne diffèrent que par les majuscules sont deux files. Une file que personne n'a "
    "utilisée pendant trente jours est supprimée d'elle-même, et le propriétaire en est averti deux fois par courrier."
)
SPANISH = (
    "Crea una cola en la cuenta. La cuenta debe ser suya, y el nombre de la cola no debe estar ocupado todavía. Si la "
    "cola ya existe, la llamada falla y nada cambia. Los nombres se comparan letra por letra, de modo que dos colas "
    "cuyos nombres solo difieren en las mayúsculas son dos colas. Una cola que nadie ha usado durante treinta días se "
    "borra por sí misma. Antes de que eso ocurra, se avisa dos veces por correo al dueño, que puede pedir más tiempo."
)
CHINESE = (
    "本手册页由 Linux man-pages 项目提供。\n" + 9 * "read() 从文件描述符 fd 中读取 count 字节的数据并放入缓冲区中。\n"
)


@pytest.mark.parametrize("text", [FRENCH, SPANISH, CHINESE, "\n".join(textwrap.wrap(ENGLISH, 60))])
def test_good_texts_of_other_languages_and_in_lines_stay(text: str) -> None:
    assert reason(text) is None


@pytest.mark.parametrize("between", [", ", " ", " | ", "\n"])
def test_lists_of_offers_go(between: str) -> None:
    draw = random.Random(0)
    offers = ("buy cheap {} online", "best {} {} now", "{} for free", "order {} {} here")
    lists = [between.join(draw.choice(offers).format(*draw.sample(WARES, 2)) for _ in range(40)) for _ in range(10)]
    assert [reason(each) for each in lists] == ["garbage: key words"] * 10


def test_a_list_of_terms_that_do_not_repeat_stays() -> None:
    terms = dict.fromkeys(word.strip(".,").lower() for word in (ENGLISH + POEM).split())
    assert reason("\n".join(terms)) is None


def test_a_text_is_measured_alone_as_among_others() -> None:
    texts = [ENGLISH, "", GERMAN, "x " * 400, CODE, TABLE, RUSSIAN, ENGLISH * 9]
    together = score(texts)
    for place, text in enumerate(texts):
        alone = score([text])
        for name in SCORES:
            np.testing.assert_allclose(alone[name][0], together[name][place], rtol=1e-4, atol=1e-4)


def test_more_is_looked_at_of_a_long_text_that_may_be_garbage_and_no_more_of_others() -> None:
    draw = random.Random(0)
    noise = " ".join("".join(draw.choices(string.ascii_lowercase, k=6)) for _ in range(90))
    prose = f"{ENGLISH}\n\n{ENGLISH}\n\n{ENGLISH}"
    long = f"{noise}\n{prose * 2}\n{noise}\n{prose * 2}\n{noise}"
    scores = score([long, prose * 9, noise * 30])
    assert scores["words"][0] > 600
    assert 200 < scores["words"][1] < 400
    assert garbage(scores) == [None, None, "garbage: letters of no word"]


def test_the_lexicon_forgets_and_gives_the_same() -> None:
    lexicon = Lexicon(clean_text())
    words = [f"word{number}" for number in range(140_000)]
    lexicon.rows(words)
    fresh, some = Lexicon(clean_text()), ["queue", "the", "(foo)"]
    rows = lexicon.rows(some)
    assert rows.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(lexicon.facts[rows], fresh.facts[fresh.rows(some)])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), max_size=5))
def test_no_text_breaks_it(texts: list[str]) -> None:
    found = garbage(score(texts))
    assert len(found) == len(texts)
    assert all(each is None or each.startswith("garbage: ") for each in found)
