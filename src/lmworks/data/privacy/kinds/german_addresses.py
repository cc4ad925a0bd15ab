"""Postal addresses of Germany, Austria and German Switzerland: street, number, town.

The order of the lines is DIN 5008's; what stands inside of a house (floor, back house, `c/o`) may come between them.
"""

from __future__ import annotations

import re

from lmworks.data.privacy.findings import Detector, Pattern, Trigger

_UP = "A-ZÄÖÜ"
_ANY = "A-Za-zÄÖÜäöüßÀ-ÖØ-öø-ÿ"
_WORD = rf"[{_UP}][{_ANY}.'’-]{{0,40}}"
_JOINT = r"(?: ?,? ?\n\n? ?| ?[,;|·•/–-] ?| )"
"""Between the lines of an address, or where they were joined."""
_GLUED = (
    r"(?:straße|strasse|str\.?|weg|platz|allee|gasse|gässchen|(?<![aeiou])ring|damm|ufer|hof|steig|graben|markt"
    r"|chaussee|berg|park|"
    r"stieg|twiete|kamp|feld|pfad|wall|(?<![aeiouck])tor|brücke|garten|bogen|zeile|gürtel|kai|deich|leite|hain"
    r"|promenade|siedlung|redder|koppel|stiege|lände|-(?:Straße|Str\.|Weg|Platz|Allee|Ring|Gasse))"
)
_NOT_GLUED = (
    r"(?!Stellplatz|Parkplatz|Sitzplatz|Arbeitsplatz|Bahnhof [0-9]|Vorhof|Hinweg|Rückweg|Umweg|Spielplatz|String"
    r"|Spring)"
)
_APART = (
    r"(?:Straße|Strasse|Str\.?|Weg|Platz|Allee|Ring|Gasse|Damm|Ufer|Chaussee|Steig|Markt|Wall|Graben|Pfad|Stieg|Berg|"
    r"Park|Hof|Tor|Landstraße|Landstr\.|Hauptstraße|Hauptstr\.|Reihe|Freiheit|Bleichen|Zeile|Kirchweg|Dorfstraße)"
)
_KIND = (
    r"(?:[A-ZÄÖÜ][a-zäöüß]{1,20}er|Alte[rsn]?|Neue[rsn]?|Lange[rsn]?|Kurze[rsn]?|Große[rsn]?|Kleine[rsn]?|Hohe[rsn]?"
    r"|Obere[rsn]?|Untere[rsn]?|"
    r"Mittlere[rsn]?|Breite[rsn]?|Schmale[rsn]?|Grüne[rsn]?|Weiße[rsn]?|Rote[rsn]?|Schwarze[rsn]?|Krumme[rsn]?|"
    r"Innere|Äußere|Vordere|Hintere|Steinerne|Karl Marx|Sankt [A-ZÄÖÜ][a-zäöü]+|St\. [A-ZÄÖÜ][a-zäöü]+)"
)
_NO_KIND = (
    r"(?!(?:Der|Dieser|Jeder|Unser|Ihrer?|Euer|Einer|Keiner|Seiner|Meiner|Immer|Aber|Oder|Unter|Hinter|Über|Anderer|"
    r"Weiter|Welcher|Mancher|Letzter|Erster|Zweiter|Dritter|Nächster|Nummer|Inner|Hier|Per|Vier|Für) )"
)
"""A street named after a town ends in -er, and so do words that stand before any street."""
_NO_ARTICLE = (
    r"(?!(?:D(?:er|ie|as|en|em|es|iese[rsnm]?)|Eine?[rsnm]?|Jede[rsn]?|Keine[rs]?|Unsere[rs]?|Ihre[rs]?|Meine[rs]?"
    r"|Seine[rs]?|Auf|In|Zur|An|Am|Im|Zum|Adresse|Anschrift|Eigene|Welche) )"
)
_ENDS = (
    "berg|grund|bach|hang|wald|see|tal|feld|anger|hof|tor|graben|rain|winkel|brunnen|mühle|park|bühl|acker|wiesen?"
    "|brink|"
    "holz|busch|eck|stein|horst|werder|garten|gärten|markt|platz|ufer|bahnhof|kirche|linden|weiher|brücke|dorf|damm"
    "|wall|"
    "kamp|heide"
)
_ENDS_APART = "|".join(each.capitalize() for each in _ENDS.replace("wiesen?", "wiese|wiesen").split("|"))
_AT = r"(?:A[mn]|Auf|I[mn]|Zu[mr]|Unter|Bei|Beim|Vor|Hinter|Ob|Über)(?: (?:der|den|dem|des))?"
_CITIES = (
    "Berlin|Hamburg|München|Köln|Frankfurt|Stuttgart|Düsseldorf|Leipzig|Dortmund|Essen|Bremen|Dresden|Hannover"
    "|Nürnberg|"
    "Duisburg|Bochum|Wuppertal|Bielefeld|Bonn|Münster|Mannheim|Karlsruhe|Augsburg|Wiesbaden|Mönchengladbach"
    "|Gelsenkirchen|"
    "Aachen|Braunschweig|Chemnitz|Kiel|Halle|Magdeburg|Freiburg|Krefeld|Mainz|Lübeck|Erfurt|Oberhausen|Rostock|Kassel|"
    "Hagen|Potsdam|Saarbrücken|Hamm|Ludwigshafen|Oldenburg|Mülheim|Osnabrück|Leverkusen|Darmstadt|Heidelberg|Solingen|"
    "Regensburg|Herne|Paderborn|Neuss|Ingolstadt|Offenbach|Fürth|Ulm|Heilbronn|Pforzheim|Würzburg|Wolfsburg|Göttingen|"
    "Bottrop|Reutlingen|Koblenz|Erlangen|Bremerhaven|Remscheid|Bergisch Gladbach|Recklinghausen|Trier|Jena|Moers"
    "|Salzgitter|"
    "Siegen|Gütersloh|Hildesheim|Hanau|Kaiserslautern|Cottbus|Schwerin|Tübingen|Konstanz|Bamberg|Bayreuth|Flensburg"
    "|Passau|"
    "Wien|Graz|Linz|Salzburg|Innsbruck|Zürich|Basel|Bern|Luzern|Winterthur|St\\. Gallen"
)
"""Towns of more than 100,000 people, and some: others before a street might be the name of whoever lives there."""
_STREET = (
    rf"(?:(?:{_WORD} ){{0,3}}{_NOT_GLUED}[{_UP}][{_ANY}.-]{{0,40}}{_GLUED}"
    rf"|{_NO_KIND}{_KIND} {_APART}|{_NO_ARTICLE}[{_UP}][{_ANY}-]{{2,30}} (?:Straße|Strasse|Str\.)"
    rf"|(?:Straße|Platz|Allee|Weg|Ufer|Brücke) (?:der|des|zu[mr]|a[mn]"
    rf"|an der) (?:[0-9]{{1,2}}\. )?{_WORD}(?: [{_UP}][{_ANY}]{{2,20}})?"
    rf"|{_AT} (?:[{_UP}][a-zäöüß]{{2,20}} )?(?:[{_UP}][a-zäöüß]{{0,20}}(?:{_ENDS})"
    rf"|(?:{_ENDS_APART}))(?= [0-9]{{1,3}} ?[a-z]?(?![{_ANY}])(?![0-9:%€]| (?!OG|EG|[IV]+ |{_CITIES})[{_UP}]| (?:bis"
    rf"|mal|von|oder|km|cm|m|und [0-9])(?!\w)|[.,][0-9]))"
    rf"|[{_UP}]{{3,30}}(?:STRASSE|STR\.|WEG|PLATZ|ALLEE|GASSE)|[A-Z] ?[0-9]{{1,2}},)"
)
_NUMBER = (
    r" ?(?:N(?:r|ummer)\.? ?)?(?!(?:1[89]|20)[0-9]{2}(?!\w))[0-9]{1,4}(?![0-9])(?: ?(?!c/o|o[bn]? |i[nm] "
    r"|u\. )[a-zA-Z](?![a-zA-ZÄÖÜäöüß]))?"
    r"(?: ?[-–/+] ?[0-9]{1,4}(?![0-9])(?: ?[a-z](?![a-zäöüß]))?){0,2}(?:[-–/][a-z](?![a-zäöüß])| 1/[234]"
    r"| ?/ ?[IVX]{1,4}(?!\w)"
    r"| [IVX]{1,3}(?![\w.]))?"
)
_NAMED = rf"(?:(?:Fam(?:ilie|\.)|Frau|Fr\.|Herrn?|Hr\.) )?{_WORD}(?: {_WORD})?"
_CARE_OF = rf"(?:(?:c/o [^,;|\n]{{2,40}}|bei {_NAMED}|z\. ?Hd\. [^,;|\n]{{2,40}})(?:, ?| ?\n ?))?"
_INSIDE = (
    r"(?:(?:[0-9]{1,2}|[IVX]{1,3})\. ?(?:OG|UG|DG|Stock(?:werk)?|Etage|Stiege|Whg\.?|Aufgang|Hof|HH)|EG|OG|UG|DG|VH"
    r"|HH|SF|Rgb\.?|"
    r"Hinterhaus|Vorderhaus|Seitenflügel|Quergebäude|Gartenhaus|Rückgebäude|Hinterhof|Erdgeschoss|Dachgeschoss"
    r"|Souterrain|"
    r"(?:Whg|Wohnung|WE|App|Apt|Appartement|Apartment|Zimmer|Zi|Aufgang|Haus|Eingang|Stiege|Tür|Top|Etage|Stock|Block|"
    r"Geb|Gebäude|Station|Raum)\.? ?(?:Nr\.? ?)?[0-9A-Z]{1,4}(?![a-z])"
    rf"|OT {_WORD}|Ortsteil {_WORD}|c/o [^,;|\n]{{2,40}}|bei {_NAMED}|[0-9]{{1,3}}|links|rechts|li\.|re\.|Mitte)"
)
_INSIDE_HOUSE = rf"(?:(?: ?, ?| ?\n ?| ?/ ?| ?[–|·-] | \(?){_INSIDE}\)?(?![{_ANY}0-9])){{0,4}}"
_ON = r"(?:a[mn]|an der|im|in|ob der|vor der|bei|auf|unter|a\. ?d\.|a\.|i\.|b\.|v\. ?d\.) ?"
_NAME = (
    rf"[{_UP}][{_ANY}.-]{{1,30}}(?:(?: ?/ ?|[ -]| {_ON}| OT )\(?(?!Tel|Fon|Fax|Mob"
    rf"|E-?Mail)[{_UP}][{_ANY}.-]{{0,25}}\)?){{0,2}}"
    r"(?: v\. ?d\. ?H\.)?"
)
_COUNTRY = r"(?:,? ?\n?\(?(?:Deutschland|Germany|Österreich|Austria|Schweiz|Switzerland|BRD)\)?(?!\w))?"
_GERMAN_CODE = r"(?:DE?(?: ?[-–] ?| ))?[0-9]{5}"
_CODE = rf"(?:{_GERMAN_CODE}|(?:(?:A|AT|CH|FL|LI)(?: ?[-–] ?| ))?[1-9][0-9]{{3}})"
_APART_BY = r"(?: |,? ?\n ?| ?[;|] ?|, ?)"
_TOWN = rf"{_GERMAN_CODE}{_APART_BY}{_NAME}{_COUNTRY}"
_ANY_TOWN = rf"{_CODE}{_APART_BY}{_NAME}{_COUNTRY}"
_STOP = r"(?= ?(?:$|[\n.;)\"'|<]))"
_LOWER = (
    rf"(?:[a-zäöüß-]{{2,25}}(?:straße|strasse|str\.) ?|(?!constr|instr|substr)[a-zäöüß]{{3,25}}str "
    rf"|[a-zäöüß]{{3,20}}er (?:str\. ?|str |(?:straße|strasse|allee|platz|weg|ring) ))"
    rf"[0-9]{{1,4}}(?: ?[a-z](?![{_ANY}]))?"
    rf"(?:,? (?:in )?[0-9]{{5}} [{_ANY}]{{3,25}}|,? (?:in )?(?i:{_CITIES})(?!\w))?"
    rf"|(?!(?:hin|her|um|rück|aus|heim|unter|durch|arbeits|park|stell|sitz|steh|spiel|liege|lager|speicher|listen|ab"
    rf"|ver|be)[a-z]*)"
    rf"[a-zäöüß]{{3,20}}(?:weg|gasse|allee|platz|damm"
    rf"|ufer) [0-9]{{1,3}}(?: ?[a-z](?![{_ANY}]))?(?:,? (?:in )?(?i:{_CITIES})(?!\w))?"
    rf"|(?:a[mn]|auf de[rm]|i[mn]"
    rf"|zu[mr]) [a-zäöüß]{{0,20}}(?:{_ENDS}) [0-9]{{1,3}}[a-z]?,? (?:in )?(?i:{_CITIES})(?!\w)"
    rf"|(?:(?:a[mn]|auf|i[mn]"
    rf"|zu[mr]) (?:de[rmn] )?)?[a-zäöüß-]{{3,25}} [0-9]{{1,4}}[a-z]?,? (?:in )?[0-9]{{5}} [a-zäöüß]{{3,25}}"
)
"""As people type it to each other."""
ADDRESS = re.compile(
    rf"(?<![\w/-])(?:{_CARE_OF}(?:"
    rf"{_STREET}(?:{_NUMBER}{_INSIDE_HOUSE}(?:(?:{_JOINT}| \(|,? in ){_ANY_TOWN}\)?|(?:,| in"
    rf"|, in) [{_UP}][a-zäöüß]{{2,20}}"
    rf"(?:-[{_UP}][a-zäöüß]{{2,20}})?{_STOP}|(?: ?[,;|·/–-] ?|,? (?:in )?|,? ?\n)(?:{_CITIES})(?:-{_WORD})?(?!\w)"
    rf"|(?:,|;| in)? (?:D-)?[0-9]{{5}}(?![\w.,]?[0-9]| ?[%€]))?|(?: ?[;|\t] ?){_NUMBER} ?[;|\t] ?{_TOWN})"
    rf"|(?:Postfach [0-9 ]{{2,10}}"
    rf"|(?:{_AT} )?(?:{_WORD} ){{1,3}}[0-9]{{1,4}}(?![0-9])(?: ?[a-zA-Z](?![{_ANY}]))?{_INSIDE_HOUSE}"
    rf"|(?:Gut|Hof|Haus|Schloss|Forsthaus|Weiler|Gehöft|Kloster|Rittergut) {_WORD})(?:,? ?\n ?| ?[,;|·•–-] ?){_TOWN}"
    rf"|{_ANY_TOWN}(?:,? ?\n ?| ?[,;|·•/–-] ?| ){_STREET}{_NUMBER}{_INSIDE_HOUSE}"
    rf"|(?:{_CITIES})(?:-{_WORD})?(?:, |: | - | – | |\n){_STREET}{_NUMBER}{_INSIDE_HOUSE}"
    rf"|{_LOWER}))(?![\w-])"
)
TRIGGER = Trigger(
    re.compile(
        r"[0-9][a-zA-Z]?(?:,? ?\n ?| ?[,;|·•/–-] ?|,? | in )(?:DE?(?: ?[-–] ?| ))?[0-9]{5}[ ;|,]{1,2}[A-ZÄÖÜ]"
        r"|(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.?|STRASSE|STR\.|[a-zr] ?[Ww]eg|WEG|[Pp]latz|PLATZ|[Aa]llee|ALLEE|[Gg]asse"
        r"|GASSE|[a-z][Rr]ing|er Ring"
        r"|[Dd]amm|[Uu]fer|er Markt|graben|chaussee|twiete|stieg|steig|gürtel|[a-z]kai|deich|promenade|siedlung|wall"
        r"|Wall|brücke|pfad|kamp|hain|Reihe) ?(?:N(?:r|ummer)\.? ?)?[0-9]"
        r"|(?:A[mn]|Auf|I[mn]|Zu[mr]|Unter)(?: de[rnm])? [A-ZÄÖÜ][^ \n]+ [0-9]"
        r"|(?:Straße|Platz|Allee|Weg|Ufer) (?:de[rs]|zu[mr]|a[mn]) [^\n0-9]+[0-9]"
        r"|[0-9]{4,5} [A-ZÄÖÜ][^ \n]+ [A-ZÄÖÜ][^ \n]*(?:straße|gasse|weg|platz|str\.) ?[0-9]"
        r"|[a-zäöüß] [0-9]{1,3}[a-z]?,? (?:in )?[0-9]{5} [a-zäöü]{3}"
        r"|(?:Gut|Hof|Haus|Schloss|Forsthaus|Weiler|Gehöft|Kloster|Rittergut) [A-ZÄÖÜ][^ \n]+, ?[0-9]{5} [A-ZÄÖÜ]"
    ),
    reach=110,
    needs=("[0-9]",),
)

GERMAN: tuple[Detector, ...] = (Pattern("address", TRIGGER, ADDRESS),)
