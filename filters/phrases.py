"""What a response says that no response should: that it knew the answer, that it saw no image, or nothing at all (ours)."""

import re
from collections import Counter

from filters.words import weights, words

_KNOWN = r"(?:ground[ -]truth|reference|given|provided|standard|expected)"
_LEAK = re.compile(
    rf"\b(?:based on|according to|since|match(?:es)?|given) the (?:ground[ -]truth\b|{_KNOWN} (?:answer|solution|result)\b|answer key\b)"
    r"|\b(?:reference (?:answer|solution)|provided (?:answer|solution)|ground[ -]truth answer|given answer) "
    r"(?:is|was|says|states|gives|clicks|uses|shows|mentions|indicates|claims|chooses|picks)\b"
    r"|\b(?:was|were|been|am|are) (?:told|given) (?:that )?the (?:correct |final |right )?answer\b"
    r"|\bas the answer key (?:states|says|shows|gives)\b"
    r"|\bthe (?:correct )?answer is (?:given|provided) as\b|\bground[ -]truth (?:is|says)\b"
    r"|(?:根据|按照|依据|参照|参考|既然|由于)(?:题目)?(?:给出的|提供的|给定的|已知的)?(?:标准|参考|正确)?答案(?:是|为|给出|，|,|可知)"
    r"|(?:标准|参考)答案(?:给出|是|为|说|显示|写)|(?:给出|提供)的(?:正确|标准|参考)?答案(?:是|为)",
)
_OPENLY_KNOWN = re.compile("reference answer|ground truth|answer key|参考答案|标准答案")
_PICTURE = r"(?:images?|pictures?|photos?|photographs?|figure|screenshot)"
_PICTURES = ("image", "picture", "photo", "figure", "screenshot", "图", "照片")
_BLIND = re.compile(
    r"\b(?:cannot|can't|can not|don't|do not|unable to|not able to|(?:without|not) being able to)(?: actually| directly)? "
    rf"(?:see|view|access|open) (?:the|any|your|this|an?) (?:actual )?{_PICTURE}(?: directly| itself| in your\b| here\b)?"
    r"(?=\s*[,.;:!?]|\s+(?:so|and|but|because|i)\b|\s+in your\b|$)"
    rf"|\b(?:don't|do not|didn't|did not) (?:have|get|receive)(?: access to)? (?:the|any|your|an?) {_PICTURE}(?=\s*[,.;:!?]|\s+so\b|$)"
    rf"|\bno {_PICTURE} (?:is |was |has been |were )?(?:attached|provided|given|included|uploaded)"
    rf"|\b{_PICTURE} (?:is|was|has|were)(?: not|n't)(?: been)? (?:provided|attached|given|uploaded|included|visible to me)"
    rf"|\b(?:upload|attach|share|provide) the {_PICTURE}\b"
    rf"|\bbased on the {_PICTURE} description"
    r"|(?:无法|不能|没办法)(?:直接)?(?:看到|查看|看见|访问|打开)(?:到)?(?:这张|该|您的|你的)?(?:图片|图像|图|照片)(?!中|里|上|的)"
    r"|(?:看不到|没有看到|没看到)(?:这张|该)?(?:图片|图像|图|照片)(?!中|里|上|的)"
    r"|(?:没有|并未|未|没)(?:有)?(?:提供|上传|附上|附带|给出)(?:任何)?(?:图片|图像|照片|图)"
    r"|请(?:您|你)?(?:先)?(?:上传|提供)(?:一张)?(?:图片|图像|照片)"
    r"|根据(?:图片|图像|照片)的?描述",
)
_HEDGE = re.compile(
    r"(but wait|wait|hmm+|hold on|alternatively|actually|no,|let me (?:double-check|check|re-?check|think)|maybe|perhaps|or maybe|"
    r"等等|等一下|不对|或者|可是|嗯|再想|让我|再检查|再确认)", re.I
)  # fmt: skip
_SENTENCE = re.compile(r"[.!?。！？\n]+")
_FILLERS = re.compile(
    r"让我想想|让我思考|一步一步|一步步|这个|问题|回答|思考|需要|然后|给出|答案|好的|先|那么|一想|好了|首先|现在|仔细|开始"
    r"|来|地|的|我|嗯|想|要|会|吧|了|呢|啊|哦"
)
_EMPTY = frozenset(
    words("""
    a alright an and answer begin as be by can do for here go going hmm hm i i'll in is it let me my need now of ok okay on question
    right see so step steps sure task that the then think thinking this to uh um us user want wants we well what will with yes should
    let's have about try carefully start give provide first get just
    """)
)


def leaks(text: str, question: str) -> bool:
    """Whether ``text`` leans on an answer that it was handed, of which the question does not speak."""
    return not _OPENLY_KNOWN.search(question.casefold()) and _says(_LEAK, ("answer", "solution", "truth", "答案"), text)


def is_blind(text: str, question: str) -> bool:
    """Whether ``text`` says that there is no image to be seen, though the question brings one."""
    return ("<image>" in question or "<video>" in question) and _says(_BLIND, _PICTURES, text)


def _says(pattern: re.Pattern[str], cues: tuple[str, ...], text: str) -> bool:
    """Whether a sentence says what ``pattern`` finds; most are skipped, for want of a cue, at a tenth of the cost."""
    folded = text.casefold().replace("’", "'")
    heard = [cue for cue in cues if cue in folded]
    sentences = _SENTENCE.split(folded) if heard else ()
    return any(pattern.search(sentence) for sentence in sentences if any(cue in sentence for cue in heard))


def hedges(text: str) -> tuple[float, float, int]:
    """Return the share of sentences that open with the commonest hedge, that with any, both 0-1, and how many do so."""
    sentences = [s for part in _SENTENCE.split(text) if (s := part.strip())]
    found = [match[1].casefold() for s in sentences if (match := _HEDGE.match(s))]
    if not found:
        return 0.0, 0.0, 0
    return round(max(Counter(found).values()) / len(sentences), 4), round(len(found) / len(sentences), 4), len(found)


def content(text: str) -> float:
    """Return the words of ``text`` that say something, each once, up to 4,000 characters; digits only beside ``=``."""
    reckons = "=" in text
    said = {w for w in words(_FILLERS.sub("", text[:4000].casefold())) if w not in _EMPTY and (reckons or not w.isdigit())}
    return sum(weights(sorted(w for w in said if len(w) > 1 or reckons or not w.isascii())))
