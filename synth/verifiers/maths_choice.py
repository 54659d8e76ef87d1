"""The letters of multiple choices in mathematics, and the texts they stand for.

Less is a letter here than in ``choice``: ``x`` and ``ab`` are variables, and ``f'`` is not ``f``.
"""

import re

_LETTER = re.compile(r"\(?\s*([A-Ja-j])\s*\)?\s*(?:[.:)]\s*(.*)|)", re.DOTALL)
_SPELLED = re.compile(
    r"\\(?:text|mathrm|textbf|mathbf)\s*\{\s*\(?([A-Ja-j])\)?\s*\}|(?:option|choice|选项|选|选择)\s*[:(]?\s*([A-Ja-j])\)?", re.IGNORECASE
)
_LETTERS = re.compile(r"[A-J](?:\s*[,、 ]?\s*[A-J]){1,9}")


def compare_choices(truth: str, said: str, choices: tuple[str, ...]) -> bool | None:
    """Return whether two answers name the same choice, None where one of them names none.

    A letter may come in brackets, with a full stop, or with the text behind it, which must then be that of its own choice.
    Where ``choices`` are given, the text of a choice stands for its letter, if only one has that text. Letters A to D are the same in
    lower case (math-verify); others only where they are letters of ``choices``.
    """
    if (choices or "," in truth + said) and _LETTERS.fullmatch(truth) and _LETTERS.fullmatch(said):
        return set(re.findall("[A-J]", truth)) == set(re.findall("[A-J]", said))
    one, other = _named(truth, choices), _named(said, choices)
    if not one or not other:
        return None
    return one == other


def _named(text: str, choices: tuple[str, ...]) -> str:
    """Return the letter, in upper case, or nothing. ``!`` stands for a letter whose text is that of another choice."""
    by_text = [letter for letter, choice in zip("ABCDEFGHIJ", choices, strict=False) if _same(choice, text)]
    if len(by_text) == 1:
        return by_text[0]
    spelled = _SPELLED.fullmatch(text)
    if spelled:
        return (spelled.group(1) or spelled.group(2)).upper()
    match = _LETTER.fullmatch(text)
    if match is None or not _is_choice(match.group(1), choices):
        return ""
    letter = match.group(1).upper()
    return "!" if match.group(2) and _of_another(letter, match.group(2), choices) else letter


def _is_choice(letter: str, choices: tuple[str, ...]) -> bool:
    last = chr(ord("A") + len(choices) - 1) if choices else "J" if letter.isupper() else "D"
    return letter.upper() <= last


def _of_another(letter: str, text: str, choices: tuple[str, ...]) -> bool:
    others = [choice for name, choice in zip("ABCDEFGHIJ", choices, strict=False) if name != letter]
    return any(_same(choice, text) for choice in others)


def _same(choice: str, text: str) -> bool:
    return " ".join(choice.casefold().split()).strip(" .") == " ".join(text.casefold().split()).strip(" .")
