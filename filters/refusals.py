"""Refusals: a captioner that declines, told apart from a title that begins with the same words.

The first sentence is looked at. What only a model says of itself is a refusal unless the sentence names a work ("I'm Sorry, a
lithograph by ..."); what titles begin with as well needs a word of the trade behind it: see, describe, image, assist (ours, from a
labelled list in ``tests/test_refusals.py``).
"""

import re

OPENINGS = (
    "i'm sorry", "i am sorry", "i apologize", "i apologise", "my apologies", "i cannot", "i can't", "i can not", "i'm unable",
    "i am unable", "i'm not able", "i am not able", "as a language model", "as an ai language model", "as an ai model",
    "as an ai assistant",
)  # fmt: skip
"""How a model declines, casefolded, with a straight apostrophe (ours)."""
UNSURE = (
    "sorry", "apologies", "unfortunately", "unable to", "as an ai", "i won't", "i don't", "i do not", "i'm not comfortable",
    "抱歉", "对不起", "很抱歉", "非常抱歉", "不好意思", "很遗憾", "我无法", "我不能", "我没有办法", "我看不到", "无法",
    "作为一个", "作为一名", "作为ai", "作为人工智能", "由于我", "申し訳",
)  # fmt: skip
"""Openings that captions and titles have as well (ours)."""

_QUOTES = "\"'`‘’“”„‚«»‹›「」『』＂＇"
_LEADING = re.compile(rf"\A[\s{_QUOTES}]+")
_CLOSED = re.compile(r"(?:[”\"»›」』＂＇][\s,]*|['’][\s,]+)[\w(]")
"""A quotation mark after which the sentence goes on; an apostrophe within a word is none."""
_SENTENCE = re.compile(r"[^.!?。！？\n]*")
_WITHIN_WORD = re.compile("[a-z][a-z]")
_WORK = (
    r"(?:\w+[ -]){0,4}(?:painting|poster|print|lithograph|etching|engraving|drawing|sketch|sculpture|mural|song|album|single|film|movie|"
    r"novel|book|play|sign|sticker|greeting card|t-?shirt|mug|cartoon|comic|logo|watercolou?r|oil|tapestry|record|game|series)\b"
)
_NAMES_A_WORK = re.compile(rf"(?:,|\bis|\bwas|[-|:(])\s*(?:an?|the|by|\d{{4}})\b\s*{_WORK}|,\s*(?:by\b|oil\b|\d{{4}})|\bby [a-z]+ [a-z]+,")
_TRADE = re.compile(
    r"\b(?:see|view|assist|help|provide|describe|description|identify|process|access|"
    r"generate|create|fulfil+|comply|answer|determine|"
    r"recogni[sz]e|analy[sz]e|caption|tell|display|load|"
    r"look|interpret|complete|"
    r"rewrite|share|offer|read|verify|"
    r"images?|pictures?|photos?|photographs?|request|content|text|guidelines|policy|language model|assistant|"
    r"i (?:can't|cannot|am|have|do)|there is (?:no|nothing|little))\b"
    "|看|描述|提供|识别|协助|帮助|帮您|帮你|回答|生成|处理|访问|图片|图像|照片|画面|加载|视觉|模型|助手|智能|无法|不能|不便|请求|内容|画像"
)
_DECLINES = re.compile(r"\b(?:can't|cannot|can not|couldn't|won't|don't|unable to|not able to)\b")
_NEAR = 8
"""Words behind an unsure opening among which the word of the trade stands (ours)."""


def is_refusal(text: str, openings: tuple[str, ...] = OPENINGS, unsure: tuple[str, ...] = UNSURE) -> bool:
    """Whether ``text`` begins as a refusal does, whatever its quotation marks, case and apostrophes."""
    folded = text.casefold()
    start = _LEADING.match(folded)
    bare = folded[start.end() if start else 0 :].replace("’", "'")
    sentence = _first_sentence(bare)
    if start and _CLOSED.search(sentence):  # a quotation that ends within the sentence is a title, or what a sign says
        return False
    if (opening := _opening(bare, openings)) is not None:
        return bool(_DECLINES.search(sentence, len(opening))) or not _NAMES_A_WORK.search(sentence, len(opening))
    if (opening := _opening(bare, unsure)) is None:
        return False
    behind = " ".join(sentence[len(opening) :].split()[:_NEAR])
    work = _NAMES_A_WORK.search(behind)
    return bool(_TRADE.search(behind, 0, work.start() if work else len(behind)))


def _opening(text: str, openings: tuple[str, ...]) -> str | None:
    """Return the longest opening that ``text`` begins with, None where there is none."""
    found = max((o for o in openings if text.startswith(o)), key=len, default=None)
    # "As an airliner lands" begins like "as an AI", and goes on within the word.
    return None if found is None or _WITHIN_WORD.match(text, len(found) - 1) else found


def _first_sentence(text: str) -> str:
    """Return the first sentence of ``text``, in one line; one of a word or two brings the next one along."""
    end = _SENTENCE.match(text)
    first = end[0] if end else ""
    if len(first.split()) > 3 or len(first) >= len(text):
        return first
    rest = _SENTENCE.match(text, len(first) + 1)
    return first + " " + (rest[0] if rest else "")
