"""Personal data as people write it in letters, forms, chats, tables and logs, kind by kind."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from lmworks.data.personal.detectors import DETECTORS
from lmworks.data.personal.findings import scan
from lmworks.data.personal.hidden import hide
from lmworks.data.personal.kinds.emails import plain_email

WAYS = {
    "birth_date": (
        "I am a Virgo, «September 3 1985»",
        "Baby Nora arrived «3 March 2019», 3.4 kg",
        "Unsere Tochter kam am «3.3.2019» um 4 Uhr 10 zur Welt",
        "Er wurde am «zwölften März 1985» in Ulm geboren",
        "elle est née le «douze mars 1980»",
        "Ben turned eighteen on «12 March 1985» and threw a party",
        "He entered this world on «March 3rd, 1985»",
        "Passenger: KELLY/BRIAN DOB «12MAR85»",
        "birthdays: mum «12/03/1955»",
        "her bday's «12 Mar 85»",
        "d.o.b «12-MAR-1985»",
        "Birth date (dd mm yyyy): «12 03 1985»",
        "Year/month/day of birth «1985/03/12»",
        "Geb.-Datum «12.03.85»",
        "wurde «1985-03-12» als drittes Kind geboren",
        "Sie erblickte am «12. März 1985» in Kiel das Licht der Welt",
        "GebDat: «12.3.1985»",
        "Herr Kruse (geb. «12.03.1985»)",
        "Geburtstag: «12. Mrz 1985»",
        "Née à Lyon le «12 mars 1985»",
        "elle a vu le jour le «1er mars 1985»",
        "Date naissance «12 03 1985»",
        "son anniv c'est le «12/03/1985»",
        "Né(e) le : «12/03/85»",
        "native du «12 mars 1985»",
        "Fecha de nacimiento: «12 de marzo de 1985»",
        "su cumple es el «12/03/1985»",
        "vio la luz el «12 de marzo de 1985»",
        "F. de nacimiento «12-03-85»",
        "nac. «12/03/1985»",
        "nato a Roma il «12 marzo 1985»",
        "N. il «12/03/1985» a Bari",
        "data nasc. «12/03/85»",
        "compie gli anni il «12/03/1985»",
        "nata il «12-3-85»",
        "venuta alla luce il «12 marzo 1985»",
        "geboren te Gouda op «12 maart 1985»",
        "Geb.datum «12-03-1985»",
        "is jarig op «12-03-1985»",
        "zag het levenslicht op «12 maart 1985»",
        "verjaart «12 maart 1985»",
        "gebdat «12-3-85»",
        "ur. «12.03.1985» r. w Łodzi",
        "data urodzenia: «12-03-1985»",
        "ur. «12 III 1985»",
        "ur. «12.III.1985»",
        "Imieniny w maju, urodziny «12.03.1985»",
        "nascido a «12 de março de 1985»",
        "D.N.: «12/03/1985»",
        "faz anos a «12/03/1985»",
        "Nascimento «12.03.85»",
        "data de nasc «12-03-1985»",
    ),
    "vehicle": (
        "Unfall mit «TÜ - AB 1234» am Markt",
        "Inspektion für «HH:XY 123»",
        "gesehen: «FÜ AB 1234», grüner SUV",
        "Someone in a red hatchback «AB12 CDE» hit my gate",
        "PCN issued to «AB12CDE» in bay 14",
        "Whoever owns «AB12 CDE» please move it, you're blocking my drive",
        "V5C for «AB12CDE»",
        "lorry index «ab12 cde» failed to stop",
        "hire car «AB12CDE», full to full",
        "reg number: «AB12-CDE»",
        "«M-AB 1234» steht seit Tagen vor meiner Einfahrt",
        "Falschparker: «M AB 1234»",
        "abgeschleppt wurde «HH-XY 123»",
        "Zulassungsstelle: Wunschkennzeichen «HH XY 123»",
        "Der Transporter mit dem Nummernschild «B-MW1234»",
        "Taxi «B MW 1234E» bitte zu Tor 3",
        "amtl. Kennz. «KA-PA 777»",
        "Halterabfrage zu «k-ab 123»",
        "«AB-123-CD» est garée devant chez moi",
        "plaque «AB 123 CD»",
        "immatriculé «AB123CD»",
        "Fourrière : enlèvement du «AB-123-CD»",
        "Constat amiable, véhicule A : Clio «AB 123 CD»",
        "radar flash «AB-123-CD» 94 km/h",
        "ancien numéro «1234 AB 75» sur carte grise",
        "VIN: «WVWZZZ1JZXW000001»",
        "Fahrgestellnr. «WVWZZZ1JZXW000001»",
        "FIN laut Schein «WDB9066331S123456»",
        "Rückruf betrifft «WVWZZZ1JZXW000001»",
        "n° de série «VF1BB05CF12345678»",
        "chassis no. «SAJAA51N75PE12345» corroded",
        "E mit «VSSZZZ5FZHR123456»",
    ),
    "passport": (
        "Die Botschaft will die Nummer vom Pass: «C01 X00 T47»",
        "Kinderpass Nr. «c01x00t47»",
        "Reisepass, Seriennummer «C01X00T47»",
        "pass. no. «512345678»",
        "traveling on U.S. PP «512 345 678»",
        "8;Berger;Ute;D;«C01X00T470»;2031-05-02",
        "3,Hale,Ann,USA,«512345678»,2031-05-02",
        "My US passport number is «488839667»",
        "passport # «C03005988», exp 2031",
        "ppt no: «512345678»",
        "Travel doc «A12345678» issued by USA",
        "pp number «123456789»",
        "Holder of British passport «123 456 789»",
        "his passport (no «925665416») was stolen",
        "check-in wants ur passport: «c01x00t47»",
        "Reisepass: «C01X00T47»",
        "Paß-Nr. «C01X00T47»",
        "Perso «L01X00T471»",
        "Personalausweisnummer «T22000129»",
        "Ausweisnr. lautet «L22N01X4T»",
        "Dokumentennummer «C4J2K9R7T»",
        "Passeport n° «12AB34567»",
        "numéro du passeport: «12 AB 34567»",
        "pasaporte español «PAA123456»",
        "carte nationale d'identité n° «880692310285»",
        "P<GBRROE<<JANE<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\n«1234567897GBR8503124F3001011<<<<<<<<<<<<<<04»",
    ),
    "secret": (
        "passphrase for the safe: «maple orbit candle river»",
        "laptop password: «553311»",
        "router password = «strawberryjam»",
        'the password is "«Bluebird»"',
        "PIN is «4471»",
        "Your temporary password is «Sommer2024!»",
        "the wifi password here: «guest-2024»",
        "pw «hunter2!»",
        "use «Tr0ub4dor&3» as passphrase",
        "My login is jane, password «P@ssw0rd»",
        "unlock code for the laptop «Zebra77!»",
        "changed the admin pass to «$ecret99»",
        "password=«abc123XYZ»",
        "pass: «q1w2e3r4»",
        "WPA key «blue7Horse»",
        "Das Passwort heißt «Sonne#12»",
        "Kennwort für den Rechner: «Winter23!»",
        "PW ist «hase2020»",
        "neues Passwort «Blume!77» vergeben",
        "WLAN-Code «gast2024»",
        "Netzwerkschlüssel «Haus9Baum»",
        "Zugangscode «Tor!2211»",
        "Le mot de passe est «Soleil2024»",
        "mdp : «chat!noir9»",
        "code wifi «maison75»",
        "ton mot de passe provisoire sera «Bleu#2023»",
        "clé wifi = «fraise88x»",
        "mot de passe de la session «azerty12!»",
        "La contraseña es «Verano2024»",
        "clave wifi «casa1234x»",
        "contraseña nueva: «Luna#77»",
        "la clave del portal sigue siendo «toro99!»",
        "entra con la clave «Mar-2023»",
        "pass del wifi: «perro2020»",
        "usuario ana y contraseña «Sol_4455»",
        "código de acceso «Gato*12»",
    ),
    "phone": (
        "12,Hale,Ann,«(415) 555-0134»,CA",
        "T «415/555-0134»",
        "12;Berger;Ute;«069 123456789»;Kassel",
        "12;Martínez;Ana;«612345678»;Cádiz",
        "12;Rossetti;Anna;«3331234567»;Bari",
        "la nonna risponde allo «02-12345678»",
        "Klient prosi o telefon na «501234567», rano",
        "Llámame al «612 345 678»",
        "«612345678» es de mi hermana",
        "mi fijo «91 234 56 78»",
        "Tel. «912-345-678»",
        "te paso mi número, «612 34 56 78»",
        "Pizzería abierta, pedidos «934567890»",
        "cualquier duda estoy en «699.123.456»",
        "Contacto urgente: Marta (madre) «655123123»",
        "vendo bici, interesados «622 11 22 33»",
        "reserva confirmada por «971 123 456»",
        "zadzwoń «501 234 567»",
        "mój nowy numer «501-234-567»",
        "tel. «22 123 45 67»",
        "rejestracja czynna od 8, «(22) 123 45 67»",
        "Sprzedam rower, «601234567»",
        "kontakt tylko SMS «+48 501 234 567»",
        "sekretariat «12 345 67 89»",
        "oddzwoń pod «788 123 456» po 16",
        "Ogłoszenie: pokój do wynajęcia «606-123-456»",
        "Jan Kowalski, «22-123-45-67»",
    ),
    "address": (
        "«RR 3 Box 12, Salem, OR 97301»",
        "meet at «900 Park Blvd, Boston»",
        "she is on «Walnut Street, number 12»",
        "I'm at «14 5th St NE, Austin 78701»",
        "12;Kurz;Ute;«Zum Alten Brunnen 2;99084 Erfurt»",
        "Post an c/o Frau Kern, «Lindenstr. 12, 80331 München»",
        "«F-69001 Lyon, 12 rue de la Paix»",
        "mon frère, «c/o Mme Petit, 12 rue de la Paix, 69001 Lyon»",
        "J'habite au «12 rue de la Paix, 75002 Paris»",
        "«12 bis, avenue Victor Hugo\n69003 Lyon»",
        "Livrer au «3 allée des Tilleuls 33000 Bordeaux»",
        "Siège : «Lieu-dit Le Bourg, 24200 Sarlat-la-Canéda»",
        "«BP 123, 75002 Paris CEDEX 02»",
        "«Résidence Les Pins, Bât. B, 12 rue du 8 Mai 1945, 31000 Toulouse»",
        "RDV «5 pl. de la République, 44000 Nantes»",
        "«14, r. des Écoles 75005 PARIS»",
        "«18 ZA des Granges, 38070 Saint-Quentin-Fallavier»",
        "domicilié «7 impasse du Moulin, 29200 BREST»",
        "«4 quai de l'Horloge, 75001 Paris 1er»",
        "«1 rue de l'Église» à Metz",
        "Send to «12 High Street, Leeds LS1 4AB»",
        "«Flat 3, 12 High Street, Leeds, LS1 4AB»",
        "«Flat 3B, Rowan Court, 12A Mill Lane\nYork\nYO1 7HH»",
        "«The Old Rectory, Church Lane, Little Snoring, Norfolk NR21 0HY»",
        "«3/2, 14 Byres Road, Glasgow G12 8TA»",
        "I live at «47 Orchard Drive, Poole»",
        "«Rose Cottage, Brook End, Chipping Norton OX7 5AB»",
        "tenant of «221B Baker Street, London NW1 6XE»",
        "«12 high street, leeds ls1 4ab»",
        "«Unit 5, Riverside Park, Station Approach, Reading RG1 1AA»",
        "«18 Bryn Awelon, Llandudno LL30 2AB»",
    ),
    "record_number": (
        "2024-04-04 ADT^A01 PID|1||«0012345678»^^^HOSP^MR||",
        "Krankenakte Nr. «E1234567»",
        "hosp. no. «H123456»",
        "MRN «00123456»",
        "Hospital number: «H123456»",
        "UR number «1234567»",
        "Patient ID «PAT-2021-00457»",
        "chart no. «12-34-56»",
        "case notes no «A123456»",
        "Admission number «20211234»",
        "patient identifier: «4471920»",
        "Patientennummer «123456»",
        "Fallnr. «2021004711»",
        "Pat.-ID «0047110815»",
        "Krankenblatt-Nr. «45812/21»",
        "numéro de dossier patient «456789»",
        "IPP : «8001234567»",
        "N° d'hospitalisation «210045678»",
        "NHC «1234567»",
        "nº de historia clínica «345678»",
        "cartella clinica n. «2021/4567»",
        "numero nosologico «2021004567»",
        "número de prontuário «123456-7»",
        "patiëntnummer «1234567»",
        "nr historii choroby «1234/2021»",
        "medical rec # «MR-45-12-78»",
        "EMR id «E4512009»",
    ),
    "driving_licence": (
        "provisional for «morga657054sm9ij» came today",
        "<number>«morga657054sm9ij»</number>",
        "DVLA no «MORGA 657054 SM9 IJ»",
    ),
    "national_id": (
        "12,Hale,Ann,«212095678»,W-2",
        "| Dziecko 2 | «44051401359» | kl. 3b |",
    ),
    "email": (
        "write to «jane at example dot org»",
        "«jane.roe AT example DOT co DOT uk»",
        "mail: «jane(at)example.org»",
        "«jane [at] example [dot] org»",
        "«jane{at}example{dot}org»",
        "«jane_at_example_dot_org»",
        "«jane (a) example.org»",
        "kontakt: «jane (ät) example punkt de»",
        "«jane bei example punkt de»",
        "«jane arroba ejemplo punto es»",
        "«jane arobase exemple point fr»",
        "«jane chiocciola esempio punto it»",
        "«jane[at]example.org»",
        "«jane<at>example<dot>org»",
        "reach me, «jane at gmail»",
        "«jane @ example . org»",
        "«jane [małpa] example [kropka] pl»",
        "«jane at-sign example dot org»",
        "my addr: «jane at example dot com» (no spam)",
    ),
}
"""Sentences with the value in guillemets."""


@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind, ways in WAYS.items() for way in ways])
def test_a_value_is_covered_whole_however_it_is_written(kind: str, way: str) -> None:
    before, rest = way.split("«")
    value, after = rest.split("»")
    covered = {place for each in scan(before + value + after, DETECTORS) for place in range(each.start, each.end)}
    assert {len(before) + place for place, sign in enumerate(value) if not sign.isspace()} <= covered


KEYS = {
    "hvs.": 90, "PMAK-" + "0f" * 12 + "-" + "0f" * 17: 0, "figd_": 40, "r8_": 37, "SK" + "07fa" * 8: 0,
    "AC" + "17ea" * 8: 0,
    "0f" * 16 + "-us12": 0, "pat" + "Ab3" * 4 + "xY." + "07fa" * 16: 0, "N" + "Tk4" * 8 + ".Gx0a1b." + "q77" * 11: 0,
    "shpat_" + "0f" * 16: 0, "lin_api_": 40, "dckr_pat_": 27, "gsk_": 52, "NRAK-" + "A1B" * 9: 0, "dapi" + "0f" * 16: 0,
}  # fmt: skip
"""How keys of providers begin, and how many letters and digits follow."""


@pytest.mark.parametrize("begin", KEYS)
def test_a_providers_key_is_found_in_a_sentence(begin: str) -> None:
    key = begin + ("aB3xK9" * 20)[: KEYS[begin]]
    assert [each.value for each in scan(f"left in the notebook: {key} please rotate", DETECTORS)] == [key]


@pytest.mark.parametrize(
    "text",
    [
        "they drive the car at 90 mph",
        "the car's fuel efficiency is 10 MPG",
        "flagship of the standing fleet on 22 May 1901",
        "a native bitmap format, since 1995-09-01",
        "case no 2021/4567 of the court, visit no. 3",
        "the truck weighs 20 tonnes and tows 300 kg",
        "el precio es de 700 000 000 euros",
        "he says to pass 12 tests a day and the key is to pass again",
        "log in with version 2.3.1 of the client",
        "turn 12 screws and return on page 12",
        "lieu of 12 days, domain 75002 items",
        "password: required",
        "the password is wrong",
        "the passphrase: enter the phrase that you were given",
        "set the pin to 12",
        "the first of May is a holiday in twenty countries",
    ],
)
def test_what_looks_like_it_is_left(text: str) -> None:
    assert [each for each in scan(text, DETECTORS) if each.kind != "date"] == []


def test_all_dates_of_a_list_of_births_are_found_and_no_other_date_after_it() -> None:
    found = [each.value for each in scan("Born: Ole 1.2.2010, Mia 3.4.2012 and Max 5.6.2014; seen 7.8.2020", DETECTORS)]
    kinds = [each.kind for each in scan("Born: Ole 1.2.2010, Mia 3.4.2012 and Max 5.6.2014; seen 7.8.2020", DETECTORS)]
    assert found == ["1.2.2010", "3.4.2012", "5.6.2014", "7.8.2020"]
    assert kinds == ["birth_date"] * 3 + ["date"]


UNSEEN = "\0\a\x7f\u00ad\u034f\u061c\u180e\u200b\u200d\u202a\u202e\u2060\u2064\u2066\u206f\ufe00\ufeff\U000e0041"


@pytest.mark.parametrize("sign", [*UNSEEN, "&shy;", "&#8203;", "&#x200b;", "&ZeroWidthSpace;", "&zwj;"])
def test_what_cannot_be_seen_hides_nothing(sign: str) -> None:
    text = f"R&amp;D: write to jane.roe@exam{sign}ple.org."
    (found,) = scan(text, DETECTORS)
    assert text[found.start : found.end] == f"jane.roe@exam{sign}ple.org"


@pytest.mark.parametrize("zero", "\u06f0\u0966\u09e6\u0be6\u0e50\u1040\u17e0\uff10\U0001d7ce")
def test_digits_of_any_script_make_a_number(zero: str) -> None:
    card = "4111 1111 1111 1111"
    text = "card: " + "".join(chr(ord(zero) + int(sign)) if sign.isdigit() else sign for sign in card)
    assert [each.kind for each in scan(text, DETECTORS)] == ["card"]


@pytest.mark.parametrize("value", ["jane.roe%40example.org", "jane%2Broe%40mail.example.co.uk", "j%2Eroe%40example.de"])
def test_addresses_in_addresses_of_pages_are_found_whole(value: str) -> None:
    text = f"see https://shop.example/?mail={value}&page=2, or mailto:{value}"
    assert [text[each.start : each.end] for each in scan(text, DETECTORS)] == [value, value]
    assert value not in hide(text) and "40" not in hide(text)
    assert plain_email(value) == unquote(value)


def references(text: str, form: str = "&#{};") -> str:
    return "".join(form.format(ord(sign)) for sign in text)


ADDRESS, NUMBER, ACCOUNT = "jane.roe@example.org", "+49 176 55443322", "DE89370400440532013000"
IN_CIRCLES = str.maketrans({chr(97 + place): chr(0x24D0 + place) for place in range(26)})
IN_KEYS = "".join(sign + "\ufe0f\u20e3" if sign.isdigit() else sign for sign in NUMBER[1:])
DISGUISES = {
    "address in references": f"write to «{references(ADDRESS)}», please",
    "address in hexadecimal": f"write to «{references(ADDRESS, '&#x{:04X};')}», please",
    "address in references of references": f"write to «{references(ADDRESS, '&amp;#{};')}», please",
    "telephone in references": f"call +«{references(NUMBER[1:])}», thanks",
    "period": "write to «jane.roe@example&period;org»",
    "sign": "write to «jane.roe&commat;example.org» or not",
    "tag at the sign": "write to «jane.roe<b>@</b>example.org» or not",
    "tags in the sign": 'write to «jane.roe<span class="x"><b>@</b></span>example.org» or not',
    "tag between digits": "call «+49 176 5544<i>3322»</i> or not",
    "sign of music": "write to «jane.roe\U0001d173@example.org» or not",
    "filler of Hangul": "write to «jane.roe\u3164@example.org» or not",
    "underlined": "write to «jane.roe\u0332@example.org» or not",
    "in circles": f"write to «{ADDRESS.translate(IN_CIRCLES)}» or not",
    "account glued to a label": f"Pay IBAN:«{ACCOUNT}»BIC:COBADEFF of the mill",
    "account behind its label": f"Pay IBAN«{ACCOUNT}»BIC COBADEFF of the mill",
    "account glued to its label alone": f"Pay IBAN«{ACCOUNT}» of the mill",
    "account glued to a code": f"Pay «{ACCOUNT}»BICCOBADEFF of the mill",
    "account with strokes": "iban «DE89/3704/0044/0532/0130/00» of the mill",
    "card with colons": "card «4111:1111:1111:1111» of the mill",
    "card in cells": "| card | «4111 | 1111 | 1111 | 1111» |",
    "social security in cells": "| SSN | «212 | 09 | 5678» |",
    "telephone in keys": f"call +«{IN_KEYS[:-2]}»{IN_KEYS[-2:]} now",
    "telephone in circles": "call +«④⑨ ①⑦⑥ ⑤⑤④④③③②②» now",
    "telephone raised": "call +«⁴⁹ ¹⁷⁶ ⁵⁵⁴⁴³³²²» now",
    "telephone raised beside accents": "tél. de l'été +«⁴⁹ ¹⁷⁶ ⁵⁵⁴⁴³³²²» à Ulm",
    "telephone with lines": "call «+49_176_55443322» now",
}


@pytest.mark.parametrize("way", DISGUISES.values(), ids=DISGUISES.keys())
def test_a_disguised_value_is_covered_whole_and_little_beside_it(way: str) -> None:
    before, rest = way.split("«")
    value, after = rest.split("»")
    text = before + value + after
    (found,) = scan(text, DETECTORS)
    start, end = len(before), len(before) + len(value)
    assert found.start in (start, start - 1) and found.end == end


@pytest.mark.parametrize(
    "text",
    [
        "time 2019:2020:2021:2022 of the log",
        "| row | 212 | 09 | 5678 |",
        "address 4111:1111:1111:1111:0:0:0:1",
        "&lt;b&gt; and &amp; of R&amp;D &#8212; &copy; 2020",
        "an area of 12 m², see notes ¹ ² ³ and x⁴",
        "a<b>c</b> and 12<b>th</b>",
    ],
)
def test_what_is_disguised_as_it_is_left(text: str) -> None:
    assert [each for each in scan(text, DETECTORS) if each.kind not in ("date", "ip")] == []


def test_a_note_behind_a_number_is_no_part_of_it() -> None:
    text = "call +49 176 55443322² or +49 176 55443322<sup>3</sup>"
    assert {each.value for each in scan(text, DETECTORS)} == {NUMBER}
