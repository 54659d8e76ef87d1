"""Multiple choice: a letter, a letter with its option, or the option alone (paper 5.1 turns these questions into others where it can)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar

from synth.verifiers.gate import gate
from synth.verifiers.numerals import numeral
from synth.verifiers.parts import parts_of
from synth.verifiers.phrases import phrase
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward, Task
from synth.verifiers.typography import flat

LETTER = "letter"
LONGEST = 2000
"""Characters of an option with its letter (ours)."""

LAST_QUESTION = 4000
"""Characters of a question that are searched for options, counted from its end (ours)."""

_OPTION = re.compile(r"(?:^|(?<=[\s;,。?!:]))[(\[]?([A-J])[)\].、:]\s*")
_ANSWER_IS = re.compile(
    r"(?:so |thus |therefore |hence )?,? ?(?:the |my )?(?:correct |right |final |best )?(?:answer|option|choice)(?: is|:|)? ?:? ?"
    r"(?:option |choice )?"
    r"|(?:因此|所以|故)?(?:本题|应|正确)?(?:的)?(?:答案|选项|选择|选)(?:是|为|:)? ?(?:选项)? ?"
)
_LETTERS = re.compile(r"[(\[]?([a-z])[)\]]?(?:(?: ?[,、/&+;] ?| and |和| )[(\[]?([a-z])[)\]]?){0,25}")
_NEGATED = re.compile(r"(?:it is |it's )?not |不是|并非|非|不选")
_MARKED = re.compile(r"(?:^|(?<=[\s,;、,;]))[(\[]?[a-j](?:[)\]).、]|: )")
_STOPS = " \n,;"
_AROUND = " .。()[]"
_LEADING = re.compile(r"[(\[]?([A-Za-z])[)\]]?[.、:,)]?\s*(?:[:-] )?(?=\S)")


@dataclass(frozen=True, slots=True)
class ChoiceVerifier:
    """Holds the letters that an answer chooses against those of the truth.

    The options are those of the task, or those that the question lists as ``A. ...``. Options named by their text are found by
    phrase or number. A letter with the text of another option is ``contradiction``, a letter beyond the options ``unknown_letter``, and
    more letters than the truth has ``several``.
    """

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; ``undecided`` for words that are no option's."""
        if answer.strip() == task.truth.strip() != "":
            return Reward(1.0, EQUAL, "exact")
        options = task.choices or listed(task.question)
        true = chosen(task.truth, options)
        if isinstance(true, str):
            return gate(answer, task) or Reward(None, UNDECIDED, "truth")
        found = chosen(answer, options)
        if not isinstance(found, str):
            return _compared(found, true, options)
        if found:
            return Reward(0.0, found, LETTER)
        meant = " ".join([task.truth, *(options[letter] for letter in sorted(true) if letter < len(options))])
        return gate(answer, Task(meant, task.question)) or _unmatched(answer, options)


def _compared(found: frozenset[int], true: frozenset[int], options: Sequence[str]) -> Reward:
    if found == true or (len(found) == len(true) == 1 and _same_text(min(found), min(true), options)):
        return Reward(1.0, EQUAL, LETTER)
    return Reward(0.0, "several" if len(found) > len(true) else DIFFERENT, LETTER)


def _same_text(one: int, other: int, options: Sequence[str]) -> bool:
    return max(one, other) < len(options) and phrase(options[one]) == phrase(options[other])


def _unmatched(answer: str, options: Sequence[str]) -> Reward:
    """Return ``different`` for a number among options that are numbers; words may be another way to say one."""
    is_number = bool(options) and all(numeral(option) for option in options) and numeral(answer) is not None
    return Reward(0.0, DIFFERENT, LETTER) if is_number else Reward(None, UNDECIDED, "phrase")


def listed(question: str) -> tuple[str, ...]:
    """Return the options that ``question`` lists as ``A. ...``, ``B. ...`` in order; none where there are fewer than two."""
    asked = unicodedata.normalize("NFKC", question[-LAST_QUESTION:])
    marks = list(_OPTION.finditer(asked))
    texts: list[str] = []
    for mark, following in zip(marks, [*marks, None][1:], strict=True):
        if mark.group(1) == ascii_uppercase[len(texts)]:
            texts.append(asked[mark.end() : following.start() if following else None].strip(_STOPS))
    return tuple(texts) if len(texts) > 1 else ()


def chosen(text: str, options: Sequence[str]) -> frozenset[int] | str:
    """Return the places of the options that ``text`` chooses, from 0; else why it chooses none: a reason, or ``""`` for other words."""
    if len(text) > LONGEST:
        return ""
    said = _one_line(text)
    said = said[found.end() :] if (found := _ANSWER_IS.match(said)) and found.end() < len(said) else said
    if letters := _letters(said):
        known = len(options) or len(ascii_uppercase)
        return letters if max(letters) < known else "unknown_letter"
    if (negation := _NEGATED.match(said)) and negation.end() < len(said) and chosen(said[negation.end() :], options):
        return "negated"
    if len(_MARKED.findall(said)) > 1 or _lists(said, options):
        return "several"
    return _places(phrase(said), options) or _letter_and_text(text, options)


def _one_line(text: str) -> str:
    """Return ``text`` in lower case, without typesetting and stops around it; unlike in a ``phrase``, an "a" may be a letter."""
    return flat(text.strip(" *")).casefold().strip(" \"'.。")


def _lists(said: str, options: Sequence[str]) -> bool:
    """Tell whether each of several parts is an option, and the whole is none."""
    parts = parts_of(said)
    return len(parts) > 1 and not _places(phrase(said), options) and all(_places(phrase(part), options) for part in parts)


def _letters(said: str) -> frozenset[int]:
    """Return the places of letters in a row, ``ac`` or ``a, c``; of letters that follow each other without a sign, each only once."""
    said = said.strip(_AROUND)
    if re.fullmatch(r"[a-j]{2,10}", said):
        return frozenset(map(ascii_uppercase.lower().index, said)) if len(set(said)) == len(said) else frozenset()
    if _LETTERS.fullmatch(said):
        return frozenset(map(ascii_uppercase.lower().index, re.findall(r"(?<![a-z])[a-z](?![a-z])", said)))
    return frozenset()


def _places(said: str, options: Sequence[str]) -> frozenset[int]:
    """Return the first option with the phrase or the number that is said; none where two differ and have it."""
    for place, option in enumerate(options):
        if phrase(option) == said:
            return frozenset({place})
    value = numeral(said)
    same = [place for place, option in enumerate(options) if value and (other := numeral(option)) and other == value]
    return frozenset(same) if len(same) == 1 else frozenset()


def _letter_and_text(text: str, options: Sequence[str]) -> frozenset[int] | str:
    """Return the place of a letter that stands before its own option."""
    plain = flat(text.strip(" *"))
    start = _ANSWER_IS.match(plain.casefold())
    plain = plain[start.end() :] if start and start.end() < len(plain) else plain
    found = _LEADING.match(plain)
    if found is None or not re.match(r"[(\[]|.[)\].、:,]", plain):
        return ""
    place = ascii_uppercase.find(found.group(1).upper())
    rest = phrase(plain[found.end() :])
    if not options:
        return frozenset({place}) if _says_nothing_else(rest) else ""
    by_text = _places(rest, options)
    if not by_text:
        return ""
    same = place < len(options) and phrase(options[place]) == phrase(options[min(by_text)])
    return frozenset({place}) if same else "contradiction"


def _says_nothing_else(rest: str) -> bool:
    """Tell whether the text behind a letter, which no option can be held against, names no other letter and denies nothing."""
    return len(rest) <= LONGEST and not re.search(r"\b[b-j]\b|\b(?:not|wrong|or|and|instead|incorrect)\b|[,;、]|不|错|或|和", rest)
