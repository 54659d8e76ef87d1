"""The rules on text, one at a time and in order: alt texts that say nothing, captions that are no captions."""

import re
import unicodedata
from collections import Counter

Fault = tuple[str, float | None]
"""The reason that a text is dropped for, and the number that decided, None where none did."""

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg", ".heic", ".avif")
CAMERA_NAME = re.compile(r"(IMG|DSC|DSCN|DSCF|PXL|MVIMG|Screenshot|image|photo|picture|untitled|P)[-_ ]?\d[\d_\- ]*", re.IGNORECASE)
WEB_ADDRESS = re.compile(r"https?://|www\.|\S\.(com|net|org)(?!\w)", re.IGNORECASE)
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
DECLINING = (
    "i'm sorry", "i am sorry", "i cannot", "i can't", "i can not", "i'm unable", "i am unable", "i'm not able", "as a language model",
)  # fmt: skip
AMBIGUOUS = ("sorry", "as an ai", "unfortunately", "unable to", "抱歉", "对不起", "很抱歉", "我无法", "我不能", "作为一个", "作为ai")
TRADE = (
    "see", "view", "look", "load", "describe", "description", "help", "image", "picture", "photo",
    "图片", "照片", "看", "描述", "模型", "助手", "无法",
)  # fmt: skip
"""What refusals are about. The corpus keeps to these words, and to titles that end in ``a painting`` with none of them before."""


def clean(text: str) -> str:
    """Return ``text`` as the job stores it: Unicode NFC, no whitespace at either end."""
    return unicodedata.normalize("NFC", text).strip()


def is_spaceless(character: str) -> bool:
    """Say whether a character belongs to a script that writes no spaces: a CJK ideograph, kana or a Hangul syllable."""
    ranges = ("\u3400\u4dbf", "\u4e00\u9fff", "\uf900\ufaff", "\u3040\u30ff", "\uac00\ud7af")
    return any(first <= character <= last for first, last in ranges)


def words_of(text: str) -> list[str]:
    """Return the words, casefolded: runs of letters and digits, and each character of a spaceless script by itself."""
    words, word = [], ""
    for character in text + " ":
        if is_spaceless(character) or not character.isalnum():
            words += [word] if word else []
            words += [character] if is_spaceless(character) else []
            word = ""
        else:
            word += character
    return [word.casefold() for word in words]


def alt_text_fault(alt: str) -> Fault | None:
    """Return the first rule that the cleaned alt text breaks; None means that it stays."""
    words = words_of(alt)
    digits = longest_run([character.isdigit() for character in alt], True)
    length = sum(2 if is_spaceless(character) else 1 for character in alt)
    share = max(Counter(words).values()) / len(words) if words else 0.0
    checks: list[tuple[str, bool, float | None]] = [
        ("no_alt_text", not alt, None),
        ("file_name", is_file_name(alt), None),
        ("web_address", WEB_ADDRESS.search(alt) is not None, None),
        ("no_letters", not has_letter(alt), None),
        ("date_only", is_date(alt), None),
        ("long_digit_run", digits > 8, digits),
        ("too_short", length < 5, length),
        ("too_long", len(alt) > 1000, len(alt)),
        ("too_few_words", len(words) < 3, len(words)),
        ("too_many_words", len(words) > 256, len(words)),
        ("repeated_words", len(words) >= 4 and share > 0.5, share),
    ]
    return next(((reason, value) for reason, broken, value in checks if broken), None)


def caption_fault(caption: str, finish_reason: str | None, instructions: str, copy_similarity: float) -> Fault | None:
    """Return the first rule that the cleaned caption breaks; None means that it stays."""
    words = words_of(caption)
    repeats, stuck = most_repeats(words), longest_stutter(words)
    echoed = longest_common_run(words, words_of(instructions))
    ended = (finish_reason or "").lower()
    checks: list[tuple[str, bool, float | None]] = [
        ("empty", not has_letter(caption), None),
        ("thinking", holds_control_token(caption), None),
        ("truncated", ended in ("length", "max_tokens"), None),
        ("content_filter", ended == "content_filter", None),
        ("unknown_finish", ended not in ("", "stop", "eos", "eos_token", "end_turn", "stop_sequence"), None),
        ("refusal", is_refusal(caption), None),
        ("too_long", len(caption) > 800, len(caption)),
        ("repetition", repeats >= 3, repeats),
        ("repetition", stuck >= 4, stuck),
        ("prompt_echo", echoed >= 8, echoed),
        ("copy", copy_similarity > 0.95, copy_similarity),
    ]
    return next(((reason, value) for reason, broken, value in checks if broken), None)


def has_letter(text: str) -> bool:
    """Say whether any character is a letter, of whatever script."""
    return any(character.isalpha() for character in text)


def without_tags(answer: str) -> str:
    """Return what is left when a thought that is closed, and a pair of tags around all the rest, are taken away."""
    if answer.count("</think>") == 1 and "<think>" not in answer.strip()[1:]:
        answer = answer.split("</think>")[1]
    for opening, closing in (("<answer>", "</answer>"), ("<|begin_of_box|>", "<|end_of_box|>")):
        bare = answer.strip()
        if bare.startswith(opening) and bare.endswith(closing) and bare.count(opening) == bare.count(closing) == 1:
            answer = bare[len(opening) : -len(closing)]
    return answer


def holds_control_token(caption: str) -> bool:
    """Say whether the caption holds a tag of thinking or answer, or a name of printed characters between ``<|`` and ``|>``."""
    names = [piece.partition("|>") for piece in caption.split("<|")[1:]]
    closed = [name for name, end, _ in names if end]
    tagged = any(tag in caption for tag in ("<think>", "</think>", "<answer>", "</answer>"))
    return tagged or any(name and not any(c.isspace() or c in "<|>" for c in name) for name in closed)


def is_file_name(alt: str) -> bool:
    """Say whether the whole alt text is the name of an image file, or what a camera calls its files."""
    one_token = len(alt.split()) == 1
    return (one_token and alt.lower().endswith(IMAGE_ENDINGS)) or CAMERA_NAME.fullmatch(alt) is not None


def is_date(alt: str) -> bool:
    """Say whether nothing is left once everything that a date is written with is taken away."""
    rest = re.sub(r"(?<=\d)(st|nd|rd|th)", "", alt.lower())
    for month in (*MONTHS, *(month[:3] for month in MONTHS)):
        rest = rest.replace(month, "")
    return all(c.isdigit() or c.isspace() or c in "年月日" or unicodedata.category(c).startswith("P") for c in rest)


def is_refusal(caption: str) -> bool:
    """Say whether the caption begins as models begin when they decline: a title is followed by ``, a painting``, and quotes close."""
    unquoted = caption.lstrip(" \t\n\"'“”‘«「『")
    said = re.split(r"[.!?。！？\n]", unquoted.casefold().replace("’", "'"))[0]
    title = said.partition(", a painting")[0]
    if begins(said, DECLINING):
        return title == said
    about = title if said.isascii() else said
    spoken = words_of(about) if about.isascii() else [about]
    return begins(said, AMBIGUOUS) and any(word in spoken if about.isascii() else word in about for word in TRADE)


def begins(said: str, openings: tuple[str, ...]) -> bool:
    """Say whether a sentence begins with one of ``openings``, and not with a longer word."""
    return any(
        said.startswith(o) and not (o[-1].isascii() and said[len(o) : len(o) + 1].isalpha() and said[len(o) : len(o) + 1].isascii())
        for o in openings
    )


def length_of(words: list[str]) -> float:
    """Return the length of a text: 1 for each word, and a half for each character of a spaceless script, two of which make a word."""
    return sum(0.5 if is_spaceless(word[0]) else 1.0 for word in words)


def most_repeats(words: list[str]) -> int:
    """Return how often the most frequent sequence of length 4 stands in the caption, overlaps counted.

    Where words and spaceless characters mix and no sequence is 4 long exactly, the next longer one counts.
    """
    found: Counter[tuple[str, ...]] = Counter()
    for start in range(len(words)):
        tail = words[start : start + 8]  # eight halves are 4 already
        enough = [tail[:count] for count in range(1, len(tail) + 1) if length_of(tail[:count]) >= 4]
        found.update(map(tuple, enough[:1]))
    return max(found.values(), default=0)


def longest_stutter(words: list[str]) -> float:
    """Return the length of the longest run of one and the same word."""
    return max((longest_run(words, word) * length_of([word]) for word in set(words)), default=0.0)


def longest_run(items: list[str] | list[bool], wanted: str | bool) -> int:
    """Return the length of the longest stretch of ``items`` that are all ``wanted``."""
    longest = length = 0
    for item in items:
        length = length + 1 if item == wanted else 0
        longest = max(longest, length)
    return longest


def longest_common_run(a: list[str], b: list[str]) -> float:
    """Return the length of the longest sequence of consecutive words that stands in both lists."""
    longest, above = 0.0, [0.0] * (len(b) + 1)
    for word in a:
        row = [0.0] + [above[j] + length_of([word]) if word == other else 0.0 for j, other in enumerate(b)]
        longest, above = max(longest, *row), row
    return longest


def similarity(caption: str, alt: str) -> float:
    """Return how alike two texts are, 0 to 1, by insertions and deletions, rounded to 4 decimals; 1 is a copy.

    Case and every character that is neither letter, digit nor whitespace are dropped first, and words stand one space apart:
    ``well-known`` is ``wellknown``.
    """
    a, b = letters_and_digits(caption), letters_and_digits(alt)
    if not a and not b:
        return 1.0
    edits = len(a) + len(b) - 2 * common_subsequence(a, b)
    return round(1 - edits / (len(a) + len(b)), 4)


def letters_and_digits(text: str) -> str:
    """Return what ``similarity`` looks at."""
    return " ".join("".join(c for c in text.casefold() if c.isalpha() or c.isdigit() or c.isspace()).split())


def common_subsequence(a: str, b: str) -> int:
    """Return the length of the longest common subsequence, by the textbook table, one row of it at a time."""
    row = [0] * (len(b) + 1)
    for x in a:
        diagonal = 0
        for j, y in enumerate(b, start=1):
            diagonal, row[j] = row[j], diagonal + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]
