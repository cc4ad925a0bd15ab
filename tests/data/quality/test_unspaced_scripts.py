"""Filters and passages in scripts that put no space between words: a text stays, the same text said again goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from data_support import documents_of, texts

from lmworks.data.duplicates.passages import PassagesConfig, repeated_passages
from lmworks.data.quality.filters import FilterSettings, reasons_to_drop
from support import make_context

CHINESE = (
    "灯塔的看守人每天晚上都把天气写在本子上，四十年里一天也没有漏过。后来公司换了电灯，请他留下来照看花园，他想了很久才答应。\n"
    "夜里经过礁石的船还会鸣一声汽笛，虽然从那个冬天起再也没有人回应。爬上楼梯的游客能在书架上找到他的本子，蓝布封面几乎没有褪色。\n"
    "春天的时候村里的孩子们来帮忙种豆子和土豆，他给他们讲海上的故事：迷路的渔船怎样靠着灯光回家，一只受伤的海鸥怎样跟着他过了整整两年。"
)
JAPANESE = (
    "灯台守は毎晩その日の天気を帳面に書きつけ、四十年のあいだ一日も欠かさなかった。やがて灯りが電気に変わると、会社は彼に庭の世話を頼んだ。\n"
    "夜に岩のそばを通る船は今でも汽笛を鳴らすが、あの冬からは誰も答えていない。階段を登る客は棚の上に青い布で綴じられた帳面を見つけるだろう。\n"
    "春になると村の子どもたちが豆やじゃがいもを植えに来て、道に迷った漁船が光をたよりに帰った話や、傷ついたかもめの話を聞かせてもらった。"
)
THAI = (
    "คนเฝ้าประภาคารจดสภาพอากาศลงในสมุดทุกเย็น และตลอดสี่สิบปีเขาไม่เคยขาดแม้แต่วันเดียว เมื่อบริษัทเปลี่ยนมาใช้หลอดไฟฟ้า "
    "ก็ขอให้เขาอยู่ต่อเพื่อดูแลสวนผัก\nเรือที่แล่นผ่านโขดหินในเวลากลางคืนยังคงเปิดหวูด ถึงแม้ว่าไม่มีใครตอบรับมาตั้งแต่ฤดูหนาวปีนั้น "
    "ผู้มาเยือนที่ปีนบันไดขึ้นไปจะพบสมุดของเขาวางอยู่บนชั้น หุ้มด้วยผ้าสีน้ำเงินที่แทบไม่ซีดจาง\nพอถึงฤดูใบไม้ผลิเด็กในหมู่บ้านมาช่วยปลูกถั่วกับมันฝรั่ง "
    "เขาเล่าเรื่องเรือประมงที่หลงทางแล้วกลับบ้านได้เพราะแสงไฟ และนกนางนวลบาดเจ็บที่ติดตามเขาอยู่สองปีเต็ม"
)
PROSE = [CHINESE, JAPANESE, THAI]
SETTINGS = FilterSettings(languages=["zh", "ja", "th"])


@pytest.mark.parametrize("text", PROSE)
@pytest.mark.parametrize("name", ["repetition", "gopher-quality", "gopher-repetition"])
def test_prose_stays(text: str, name: str) -> None:
    assert reasons_to_drop(name, [text], SETTINGS) == [None]  # type: ignore[arg-type]


@pytest.mark.parametrize("phrase", ["点击这里查看更多优惠", "詳しくはこちらをクリック", "คลิกที่นี่เพื่อดูรายละเอียดเพิ่มเติม"])
@pytest.mark.parametrize("name", ["repetition", "gopher-repetition"])
def test_a_phrase_said_over_and_over_goes(phrase: str, name: str) -> None:
    assert reasons_to_drop(name, [phrase * 40], SETTINGS) != [None]  # type: ignore[arg-type]


@pytest.mark.parametrize("text", PROSE)
@pytest.mark.parametrize("name", ["repetition", "gopher-repetition"])
def test_prose_that_is_said_three_times_goes(text: str, name: str) -> None:
    line = text.replace("\n", "")
    assert reasons_to_drop(name, [line * 3], SETTINGS) != [None]  # type: ignore[arg-type]


def test_too_few_words_and_no_words_of_the_language_are_told() -> None:
    (short,) = reasons_to_drop("gopher-quality", [CHINESE[:60]], SETTINGS)
    (strange,) = reasons_to_drop("gopher-quality", ["龘靐齉爩麤" * 50], SETTINGS)
    assert short == "gopher: fewer than 50 words" and strange == "gopher: fewer than 2 stop words"


def passages_of(folder: Path, *some: str, words: int = 20) -> list[str]:
    config = PassagesConfig(documents="x", words=words)
    repeated_passages(config, documents_of(folder / "in", *some), folder / "out", make_context(folder))
    return texts(folder / "out")


@pytest.mark.parametrize("text", PROSE)
def test_a_passage_is_as_long_as_it_says_words(text: str, tmp_path: Path) -> None:
    first, second, third = text.split("\n")
    few = [f"{first}\n{second[:30]}", f"{second[:30]}\n{third}"]
    assert passages_of(tmp_path / "few", *few) == sorted(few), "30 letters are fewer words than 20"
    many = [f"{first}\n{second}", f"{second}\n{third}"]
    kept = passages_of(tmp_path / "many", *many)
    assert sum(second[5:-5] in each for each in kept) == 1 and any(first in each for each in kept)
