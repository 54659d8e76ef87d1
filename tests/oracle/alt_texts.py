"""Alt texts for test corpora, sorted by hand: those that say something, and those that must leave, by their reason."""

from collections.abc import Mapping

import numpy as np


def distinct_words(count: int, length: int) -> str:
    """Return ``count`` different lower-case words of ``length`` letters, one space apart."""
    letters = [[chr(97 + i // 26**place % 26) for place in range(length)] for i in range(count)]
    return " ".join("".join(word) for word in letters)


def distinct_characters(first: str, count: int) -> str:
    """Return ``count`` consecutive characters."""
    return "".join(chr(ord(first) + i) for i in range(count))


SAYS_SOMETHING: tuple[str, ...] = (
    "a b c",
    "红色车",
    "猫と犬",
    "고양이",
    "go go go",
    "red red blue sky",
    "好好看看",
    "look at sunset.jpg",
    "IMG_2041 of the harbour",
    "Image of a heron",
    "snake_case_name",
    "the company.commons building",
    "the dot com years",
    "Mayor speaks in March 2019",
    "May 4, 2019 10:30 PM",
    "2019年5月4日的婚礼",
    "plate 12345678 on a van",
    "tickets 12345678 and 87654321",
    distinct_words(125, 7) + "x",
    distinct_words(256, 2),
    distinct_characters("一", 256),
    distinct_characters("가", 256),
    "Cafe\u0301 in the old town",
    "\u3000東京の夜景、冬\n",
    "first line\nsecond line, indented\there",
    "Straße nach Süden im Regen",
    "Кошка спит на подоконнике",
    "قطة تنام على النافذة",
    "नदी के किनारे एक नाव",
    "two cats 🐱🐱 on a sofa",
    "don't touch the well-known rock-face",
    "100% cotton T-shirt, size XL",
    'a sign reading "closed" & a bell',
    "<b>oak</b> table with {four} legs",
)
"""Alt texts that break no rule, many of them at the edge of one."""

SAYS_NOTHING: Mapping[str, tuple[str | None, ...]] = {
    "no_alt_text": (None, "", " \n\t", "\u3000"),
    "file_name": (
        "sunset.jpg",
        "DSC_0042.JPEG",
        "my-cat(1).webp",
        "IMG_2041",
        "img 0042",
        "DSCF1234",
        "Screenshot 2021-03-04",
        "photo 12",
        "P1010234",
        "untitled-3",
        "picture7",
        "PXL_20210304_101112",
        "图片.png",
        "logo.SVG",
        "https://example.test/boats.jpg",
    ),
    "web_address": (
        "https://example.test/boats.html",
        "see HTTP://EXAMPLE.TEST for more",
        "www.example.test has more",
        "photos by example.com",
        "example.net/gallery of wooden boats",
        "from example.org, the archive",
        "more at Shop.Example.COM!",
        "(example.com) wooden boats",
    ),
    "no_letters": ("12345", "2019-05-04", "!!! ???", "🙂🙂🙂", "100 / 200 - 300", "$ 19.99", "20210304101112", "１２３４"),
    "date_only": (
        "May 4, 2019",
        "4 July 1976",
        "Dec 25th, 2020",
        "12-Jan-2018",
        "SEPTEMBER 2001",
        "March",
        "21st June 2010",
        "Aug. 3rd – 5th, 2016",
        "2019年5月4日",
        "2021年12月。",
    ),
    "long_digit_run": (
        "serial number 123456789 on a plate",
        "call 0123456789 now please",
        "编号1234567890的房子",
        "office １２３４５６７８９０ phone",
        "x 123456789",
    ),
    "too_short": ("cat", "a b", "Oslo", "ok!!", "e\u0301le\u0301", "红车", "猫", "집", "犬x"),
    "too_long": (distinct_words(125, 7) + "xx", distinct_words(300, 7), distinct_characters("一", 1001)),
    "too_few_words": ("harbour", "red car", "hello-world", "photo_of", "abc 红", "e\u0301a\u0301b c", "Trondheim cathedral"),
    "too_many_words": (distinct_words(257, 2), distinct_characters("一", 257), distinct_characters("가", 300)),
    "repeated_words": (
        "sale sale sale now",
        "Buy buy BUY cheap shoes",
        "red RED Red red blue blue",
        "STRASSE Straße straße weg",
        "哈哈哈哈",
        "好好好看",
        "가가가나",
    ),
}
"""Alt texts that must leave, by the first rule that they break."""

LANGUAGES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "{2} {1} {0}, plate {n}",
        ("near the harbour", "in the Alps", "at dawn", "behind Kew Gardens", "on a gravel road"),
        ("wooden boat", "stone bridge", "steam engine", "market stall", "oak table with two chairs"),
        ("Red", "Old", "Small", "Freshly painted", "Hand-made"),
    ),
    (
        "{0}的{2}{1}，第{n}号",
        ("海边", "北京胡同里", "山顶", "博物馆中", "雪后公园"),
        ("木船", "石桥", "自行车", "茶壶", "灯笼"),
        ("红色", "古老", "小小", "明亮", "手工制作"),
    ),
    (
        "{0}の{2}{1}、{n}番",
        ("港", "京都", "山の上", "駅前", "雪の庭"),
        ("木の船", "石の橋", "自転車", "急須", "提灯"),
        ("赤い", "古い", "小さな", "明るい", "美しい"),
    ),
    (
        "{0}의 {2} {1} {n}번",
        ("항구", "서울 골목", "산꼭대기", "박물관", "겨울 공원"),
        ("나무배", "돌다리", "자전거", "찻주전자", "등불"),
        ("빨간", "오래된", "작은", "밝은", "아름다운"),
    ),
)
"""For each of English, Chinese, Japanese and Korean: a pattern, places, things and what they are like."""


def sensible(rng: np.random.Generator) -> str:
    """Return a random alt text, in one of four languages, that breaks no rule."""
    pattern, places, things, likenesses = LANGUAGES[rng.integers(len(LANGUAGES))]
    return pattern.format(rng.choice(places), rng.choice(things), rng.choice(likenesses), n=rng.integers(1, 10_000))
