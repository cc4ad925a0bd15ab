"""Facts: what keeps texts apart that are alike in nearly every phrase."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from data_support import documents_of, texts
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.duplicates.deduplicate import drop_duplicates
from lmworks.data.duplicates.facts import Facts, choose, facts_of
from support import make_context

CONTRACT = (
    "This agreement is made on {date} between {buyer} and {seller}. The seller delivers the goods that are "
    "listed in the annex to the store of the buyer, and the buyer pays {price} within thirty days. If the "
    "payment is late, interest of four per cent a year is due from the first day on. Each party may end the "
    "agreement with three months' notice to the end of a quarter. Changes and additions must be made in "
    "writing, which holds for this clause as well. If a clause is void, the others stay in force, and the "
    "parties agree on one that comes as near as the law allows to what was meant. The law of the place where "
    "the seller has its seat applies, and the courts of that place decide on all disputes. Both parties keep "
    "what they learn of each other's business to themselves, for five years after the agreement ends."
)
GERMAN = (
    "Der Vermieter {name} überlässt dem Mieter die Wohnung in der Straße am Wald zur Nutzung. Die Miete "
    "beträgt {price} im Monat und ist am ersten Werktag fällig. Die Heizung, das Wasser und der Strom werden "
    "nach Verbrauch abgerechnet. Der Mieter darf die Wohnung nur mit Zustimmung an Dritte überlassen. Schäden "
    "an der Wohnung sind sofort zu melden, und der Vermieter lässt sie beheben. Die Kaution liegt auf einem "
    "Konto und wird am Ende der Miete zurückgezahlt. Die Kündigung muss schriftlich erfolgen, und die Frist "
    "beträgt drei Monate zum Ende eines Monats. Haustiere sind erlaubt."
)
NAMES = ("Adler", "Brandt", "Castro", "Duval", "Eriksen", "Fischer", "Grau", "Holm", "Ivanov", "Jansen")


def contract(number: int) -> str:
    return CONTRACT.format(
        date=f"{1 + number % 28} May 2024",
        buyer=f"{NAMES[number % 10]} Trading",
        seller=f"{NAMES[(number // 10 + 3) % 10]} and Sons",
        price=f"{1_000 + 17 * number} euros",
    )


def kept(tmp_path: Path, *some: str, compare: bool = True, avoid: list[str] | None = None) -> list[str]:
    train = documents_of(tmp_path / "in", *some)
    held_out = [documents_of(tmp_path / "held", *avoid)] if avoid else []
    context = make_context(tmp_path)
    tally = drop_duplicates(train, held_out, 0.8, tmp_path / "out", context, compare_facts=compare)
    assert tally.counts["documents"] == len(texts(tmp_path / "out"))
    return texts(tmp_path / "out")


def test_contracts_that_differ_in_their_facts_all_stay(tmp_path: Path) -> None:
    some = [contract(number) for number in range(60)]
    assert kept(tmp_path / "a", *some) == sorted(some)
    assert len(kept(tmp_path / "b", *some, compare=False)) == 1


@pytest.mark.parametrize("field", ["date", "buyer", "price"])
def test_one_fact_is_enough(tmp_path: Path, field: str) -> None:
    same = {"date": "3 May 2024", "buyer": "Adler Trading", "seller": "Brandt and Sons", "price": "1,017.50 euros"}
    other = {"date": "4 May 2024", "buyer": "Duval Trading", "price": "1,017.60 euros"}[field]
    pair = [CONTRACT.format(**same), CONTRACT.format(**{**same, field: other})]
    assert kept(tmp_path, *pair) == sorted(pair)


def test_copies_whose_facts_agree_go(tmp_path: Path) -> None:
    first = contract(7)
    second = (
        first.replace("may end", "can end").replace("which holds", "and that holds").replace("In writing", "in writing")
    )
    assert kept(tmp_path, first, second) == [first]


def test_a_blank_form_and_part_of_a_text_go_for_the_whole_one(tmp_path: Path) -> None:
    some = [contract(1).replace("1017 euros", "the price below"), contract(1), contract(2)]
    assert kept(tmp_path, *some) == sorted(some[1:])


def test_german_copies_whose_nouns_agree_go(tmp_path: Path) -> None:
    first = GERMAN.format(name="Anna Adler", price="800 Euro")
    reworded = first.replace("sofort", "unverzüglich").replace("abgerechnet", "bezahlt")
    other = GERMAN.format(name="Bernd Brandt", price="800 Euro")
    assert kept(tmp_path, first, reworded, other) == sorted([first, other])


FORM = (
    "the patient was seen on the ward this morning and is well, the wound is dry and the dressing was changed, the "
    "drain was taken out and the patient walks with a frame, eats and drinks, and sleeps through the night; the family "
    "was told about the plan for the next days, which is to go home with a nurse who comes twice a day, and to see the "
    "surgeon again in a week, when the stitches are taken out and the result of the sample is known."
)
TRADE = (
    "The Seller and the Buyer enter into this Agreement under the Laws of {}. The Seller shall deliver the Goods "
    "to the Warehouse of the Buyer, and the Buyer shall pay the Price to the Account of the Seller. Title to the "
    "Goods passes to the Buyer upon Payment in full of the Price, and Risk of Loss passes upon Delivery to the "
    "Carrier at the Port. The Parties shall keep Confidential Information of each other secret during the Term "
    "and after Termination of this Agreement. Any Dispute shall be settled by Arbitration, and the Award of the "
    "Arbitrator is final. Neither the Seller nor the Buyer may assign this Agreement without the Consent of the "
    "other Party in Writing."
)
SURNAME = GERMAN.replace(" {name}", "").replace("{price}", "800 Euro")


@pytest.mark.parametrize(
    ("form", "names"),
    [
        (f"Name: {{}}\n{FORM}", ["Miller", "Schmidt", "Okafor", "Tanaka", "Baker", "Hill"]),
        (f"{FORM}\nAllergy: {{}}\n{FORM[::-1]}", ["Penicillin", "Aspirin", "Latex", "Pollen"]),
        (f"{FORM}\nAllergy: {{}}\n{FORM[::-1]}", ["penicillin", "aspirin", "tree nuts", "none"]),
        (f"{FORM.capitalize()}\n\n{{}}\n\nSee you soon.", ["Miller", "Schmidt", "Okafor", "Baker"]),
        (f"{FORM.capitalize()}\n\nBest wishes\n- {{}}\n", ["Miller", "Schmidt", "Okafor", "anna"]),
        (f"{FORM.capitalize()} {{}} signed for the ward.", ["Miller", "Schmidt", "Okafor", "Baker"]),
        (f'{{{{"name":"{{}}","note":"{FORM}"}}}}', ["Miller", "Schmidt", "Okafor"]),
        (TRADE, ["France", "Japan", "Kenya", "Brazil"]),
        (f"{SURNAME} Der Vertrag wurde von {{}} unterschrieben.", ["Schmidt", "Okafor", "Krämer"]),
        (f"{SURNAME} {{}} hat den Vertrag unterschrieben.", ["Schmidt", "Okafor", "Krämer"]),
        (f"{TRADE.upper()}", ["FRANCE", "JAPAN", "KENYA"]),
    ],
)
def test_texts_that_differ_in_one_name_all_stay(tmp_path: Path, form: str, names: list[str]) -> None:
    some = [form.format(name) for name in names]
    assert kept(tmp_path, *some) == sorted(some)


NOTE = f"{FORM.capitalize()}\n\n{{}}\n\n{FORM[:200].capitalize()}."


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("Cost: {}", ["$500", "€500", "£500", "500%", "#500"]),
        ("the cost is {} in all", ["$ 500", "500 €", "£500", "500 %"]),
        ("Base excess: {}", ["-5.0", "+5.0", "<5.0", ">5.0", "≤5.0", "5.0"]),
        ("the value is p {} in all", ["< 0.05", "> 0.05"]),
        ("Allergy: {}", ["bee-venom", "tree-nut", "cow-milk", "wheat-flour"]),
        ("Allergy : {}", ["pollen", "latex", "nuts"]),
        ("**Allergy:** {}", ["pollen", "latex", "nuts"]),
        ("| allergy | {} |", ["pollen", "latex", "nuts"]),
        ("allergy\t{}\tsince spring", ["pollen", "latex", "nuts"]),
        ("allergy = {}", ["pollen", "latex", "nuts"]),
        ("allergy={}", ["pollen", "latex", "nuts"]),
        ("the result of the test: {}", ["positive", "negative"]),
        ("过敏：{}", ["花粉", "乳胶", "坚果"]),
        ("एलर्जी: {}", ["दूध", "धूल", "मूंगफली"]),
        ("grows with {} here", ["x²", "x³", "½", "¼", "α", "β", "①", "②"]),
        ("blood group {} here", ["A+", "A-", "B+", "AB-", "A"]),
        ("written in {} today", ["C", "C#", "C++"]),
        ("holds where {} here", ["a<b", "a>b", "a≤b"]),
    ],
)
def test_values_that_differ_in_a_sign_or_stand_behind_any_label_stay(form: str, values: list[str]) -> None:
    some = [facts_of(NOTE.format(form.format(value))) for value in values]
    assert set(choose(some, range(len(some))).values()) == set(range(len(values)))


WITHOUT_CAPITALS = {
    "Arabic": ("أبرم عقد الإيجار هذا بين المالك والمستأجر {} وهو يدفع الإيجار في موعده", ["أحمد منصور", "ليلى حداد"]),
    "Hebrew": ("הסכם שכירות זה נערך בין בעל הבית לבין השוכר {} השוכר עובר לגור בדירה", ["דוד כהן", "רחל לוי"]),
    "Hindi": ("यह किराया समझौता मकान मालिक और किरायेदार {} के बीच किया गया है", ["राम शर्मा", "सीता वर्मा"]),
    "Georgian": ("ხელშეკრულება დადებულია დამქირავებელ {} შორის დამქირავებელი გადადის ბინაში", ["ნინო", "დავით"]),
    "Korean": ("이 임대차 계약은 집주인과 세입자 {} 사이에 맺어진다", ["김철수", "이영희"]),
    "Chinese": ("本租赁协议由房东与租客{}签订。租客搬入公寓，并于每月第一天支付租金。", ["王伟", "李娜"]),
    "Japanese": (
        "本賃貸借契約は、貸主と借主{}との間で締結される。借主は部屋に入居し、家賃を支払う。",
        ["佐藤健", "アンナ"],
    ),
    "Thai": ("สัญญาเช่าฉบับนี้ทำขึ้นระหว่างเจ้าของบ้านกับผู้เช่า {} ผู้เช่าจ่ายค่าเช่าตรงเวลา", ["สมชาย ใจดี", "มาลี ทองดี"]),
}


@pytest.mark.parametrize("script", WITHOUT_CAPITALS)
def test_contracts_in_scripts_without_capitals_stay_and_copies_of_other_typography_go(script: str) -> None:
    form, names = WITHOUT_CAPITALS[script]
    some = [facts_of(form.format(name)) for name in names]
    assert choose(some, [0, 1]) == {0: 0, 1: 1}
    text = form.format(names[0])
    for way in (
        form.format(f"**{names[0]}**"),
        form.format(f"“{names[0]}”"),
        text.replace(" ", "\n"),
        text.replace(" ", "\u00a0 "),
        text.replace("，", "").replace("、", ""),
        f"{text} {text}",
    ):
        assert len(set(choose([some[0], facts_of(way)], [0, 1]).values())) == 1, way


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna Grau’s pay is 5–6 marks", "Anna Grau's pay is 5-6 marks"),
        ("Cost: $500", "Cost: $ 500"),
        ("Cost: 500 €", "Cost: €500"),
        ("Base: −5.0", "Base: -5.0"),
        ("Allergy: pollen", "**Allergy:** *pollen*"),
        ("Allergy: bee‑venom", "Allergy : bee-venom"),
        ("a <b>bold</b> word", "a bold word"),
    ],
)
def test_ways_of_writing_are_no_facts(one: str, other: str) -> None:
    some = [facts_of(NOTE.format(each)) for each in (one, other)]
    assert len(set(choose(some, [0, 1]).values())) == 1


def test_of_copies_that_differ_in_case_the_one_in_capitals_goes(tmp_path: Path) -> None:
    plain = contract(3)
    assert kept(tmp_path / "a", plain, plain.upper()) == [plain]
    assert kept(tmp_path / "b", TRADE.format("Peru"), TRADE.format("Peru").upper()) == [TRADE.format("Peru")]
    assert len(kept(tmp_path / "c", plain, contract(4).upper())) == 2


def test_a_copy_with_other_line_ends_and_another_way_of_saying_it_goes(tmp_path: Path) -> None:
    first = contract(7)
    second = first.replace("The law", "the law").replace(". Each", ".\n\nEach").replace(" for five", "\nfor\nfive")
    assert len(kept(tmp_path, first, second)) == 1


def test_what_is_like_a_held_out_text_goes_whatever_its_facts(tmp_path: Path) -> None:
    assert kept(tmp_path, contract(1), "Another text of some words.", avoid=[contract(2)]) == [
        "Another text of some words."
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("The queue holds 5 items. Names are long.", {"5"}),
        ("In Bonn Anna Holm met Ben. Clara left.", {"bonn", "anna", "holm", "ben"}),
        ("Signed:\n\nOtto Grau\nHamburg, 3 pages", {"otto", "grau", "hamburg", "3"}),
        ("write to anna@example.org about getQueue and max_size", {"anna@example.org", "getqueue", "max_size"}),
        ("", set()),
    ],
)
def test_facts_are_told_by_their_form(text: str, told: set[str]) -> None:
    assert facts_of(text).told == told


FACTS = st.lists(st.frozensets(st.sampled_from("abcdef"), max_size=4), min_size=1, max_size=12)


@given(FACTS, st.randoms(use_true_random=False))
def test_nothing_told_is_lost_and_nothing_stays_in_vain(told: list[frozenset[str]], draw: random.Random) -> None:
    some = [Facts(each, each | frozenset(draw.sample("abcdefgh", 2))) for each in told]
    found = choose(some, range(len(some)))
    stay = {place for place, keeper in found.items() if place == keeper}
    assert set(found) == set(range(len(some)))
    for place, keeper in found.items():
        assert keeper in stay
        assert some[place].told <= some[keeper].held
    needed = {keeper for place, keeper in found.items() if place != keeper}
    for place in stay - needed:
        assert not any(some[place].told <= some[other].held for other in stay - {place} if some[place].told)


def stay(*texts: str) -> int:
    some = [facts_of(text) for text in texts]
    return len(set(choose(some, range(len(some))).values()))


def test_values_that_stand_in_different_others_are_not_held_by_one() -> None:
    form = NOTE.format("Allergy: {}\n\nVisit: {}")
    assert stay(*(form.format(one, other) for one in ("pollen", "latex") for other in ("early", "late"))) == 4
    assert Facts(frozenset("a"), frozenset("a")).beside(frozenset("x")).holds(Facts(frozenset("x"), frozenset("x")))


def test_a_word_that_begins_a_sentence_is_held_in_any_case_and_a_function_word_is_none() -> None:
    assert stay("Tables are here. We like chairs", "Chairs are here. We like tables") == 1
    assert stay("All is well. The house holds", "Well all is. Is the house one that holds") == 1
    assert (
        stay("Signed. Miller was here", "Signed. Schmidt was here"),
        stay("Miller was here", "miller was here"),
    ) == (2, 1)


def test_a_short_name_beside_longer_clauses_without_spaces_is_kept() -> None:
    assert stay("王伟。租客搬入公寓", "李娜。租客搬入公寓") == 2
    assert stay("租客，房5号6楼", "租客，房6号5楼") == 2


def test_of_a_pair_one_goes_if_the_other_holds_it_whole() -> None:
    longer, shorter = Facts(frozenset("ab"), frozenset("ab")), Facts(frozenset("c"), frozenset("abc"))
    assert choose([longer, shorter], [0, 1]) == {0: 1, 1: 1}


@given(
    st.lists(
        st.lists(st.sampled_from(["A", "THE", "Ann", "s", "'S", "-", "’s", "3", "x:", "İ", ".", "\n"])), max_size=5
    )
)
def test_a_text_holds_itself_and_copies_of_any_words_are_chosen_from(tokens: list[list[str]]) -> None:
    found = [facts_of(" ".join(each)) for each in tokens]
    assert all(each.holds(each) for each in found)
    chosen = choose(found, range(len(found)))
    assert all(chosen[chosen[place]] == chosen[place] for place in range(len(found)))
