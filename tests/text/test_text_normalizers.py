"""Normalisers: rules by hand, and what holds for every text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcasr.errors import ConfigError
from ctcasr.text import NORMALIZERS, find_normalizer
from ctcasr.text.english_numbers import cardinal, spelled_numbers
from ctcasr.text.rules import FILLERS, expanded_contractions, joined_cjk, without_fillers, without_punctuation

LIKELY = st.text(st.sampled_from("aAzZ019.,'’-_%$£ :éßİﬁ１好，ー\u0301\u0663\n"), max_size=20)


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMALIZERS)
@given(text=st.one_of(LIKELY, st.text(max_size=12)))
def test_a_normalised_text_is_normal(name, text):
    normalizer = find_normalizer(name)
    once = normalizer(text)
    assert normalizer(once) == once
    if name != "none":
        assert once == " ".join(once.split()) == unicodedata.normalize("NFKC", once)
        assert not [c for c in once if unicodedata.category(c)[0] in "PSC" and c != "'"]


@given(st.text())
def test_none_changes_nothing(text):
    assert find_normalizer("none")(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world"),
        ("“Don’t,” she said — twice.", "don't she said twice"),
        ("the dogs' 'quoted' bowl", "the dogs quoted bowl"),
        ("well-known e.g. snake_case", "well known e g snake case"),
        ("ﬁne Ｆｕｌｌ", "fine full"),
        ("cafe\u0301 CAFÉ", "café café"),
        ("Straße", "straße"),
        ("zero\u200bwidth", "zero width"),
        ("", ""),
    ],
)
def test_basic(text, expected):
    assert find_normalizer("basic")(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Um, I can't, uh, stop.", "i can not stop"),
        ("It's John's; he'd know.", "it's john's he'd know"),
        ("We've 25 dogs and won't sell", "we have twenty five dogs and will not sell"),
        ("One hundred and five", "one hundred five"),
        ("105", "one hundred five"),
        ("a hundred, uh, and five", "a hundred five"),
        ("a thousand and one nights", "a thousand one nights"),
        ("a hundred and what", "a hundred and what"),
        ("ain't gonna", "ain't going to"),
        ("5:30 p.m.", "five thirty p m"),
        ("MP3 player", "mp3 player"),
    ],
)
def test_english(text, expected):
    assert find_normalizer("english")(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你 好 ， 世界！", "你好世界"),
        ("我 love 你", "我love你"),
        ("打开 WiFi two", "打开wifi two"),
        ("こんにちは 世界", "こんにちは世界"),
        ("안녕 하세요", "안녕 하세요"),
        ("好棒棒", "好棒棒"),
    ],
)
def test_cjk(text, expected):
    assert find_normalizer("cjk")(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 7 13 20 21 99", "zero seven thirteen twenty twenty one ninety nine"),
        ("100 110 999", "one hundred one hundred ten nine hundred ninety nine"),
        ("1,250", "one thousand two hundred fifty"),
        ("1000000", "one million"),
        ("1000001", "one million one"),
        ("1,2,3", "one,two,three"),
        ("3.14", "three point one four"),
        ("0.50", "zero point five zero"),
        ("007", "zero zero seven"),
        ("-5", "minus five"),
        ("4-5", "four-five"),
        ("1st 2nd 3rd 4th 5th 8th 9th 12th", "first second third fourth fifth eighth ninth twelfth"),
        ("20th 21st 100th", "twentieth twenty first one hundredth"),
        ("50% 7 %", "fifty percent seven percent"),
        ("$1 $5 £3.01 €2.50 $1.5", "one dollar five dollars three pounds one penny two euros fifty cents "
         "one point five dollars"),
        ("£0.20", "zero pounds twenty pence"),
        ("1990s b2b x1", "1990s b2b x1"),
        ("1_2", "one_two"),
        ("1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
    ],
)  # fmt: skip
def test_numbers(text, expected):
    assert spelled_numbers(text) == expected


@given(st.integers(0, 10**15 - 1))
def test_cardinals_can_be_read_back(number):
    values = {cardinal(str(n)): n for n in [*range(20), *range(20, 100, 10)]}
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    total = group = 0
    for word in cardinal(str(number)).split():
        if word in scales:
            total, group = total + group * scales[word], 0
        elif word == "hundred":
            group *= 100
        else:
            group += values[word]
    assert total + group == number


def test_rules_alone():
    assert without_fillers(" ".join(sorted(FILLERS)) + " word") == "word"
    assert expanded_contractions("they're i'm you'll n't 'm") == "they are i am you will n't 'm"
    assert without_punctuation("rock 'n' roll") == "rock n roll"
    assert joined_cjk("a  b") == "a b"


def test_an_unknown_normalizer_is_refused():
    with pytest.raises(ConfigError, match="expected one of none, basic, english, cjk"):
        find_normalizer("klingon")
