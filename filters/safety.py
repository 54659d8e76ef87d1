"""What keeps a sample out for the sake of people: personal data in its text, sexual content, faces in its image."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import phonenumbers
import pyarrow as pa

from filters.blocklist import Blocklist
from filters.language import Language
from schemas import columns as c
from schemas.batches import numbers, scatter
from schemas.exits import Rule, Verdict, judge
from schemas.protocols import Detector, ImageScorer, Pixels

CARD_NUMBER, EMAIL, PHONE = "card_number", "email", "phone"
KINDS = (CARD_NUMBER, EMAIL, PHONE)
"""Kinds of personal data that are looked for, in the order in which they name the reason."""

_AT = r"(?:@|\s*[\[({]\s*at\s*[\])}]\s*)"
_DOT = r"(?:\.|\s*[\[({]\s*dot\s*[\])}]\s*|\s+dot\s+)"
_FILE = r"(?:jpe?g|png|gif|webp|bmp|tiff?|svg|avif|heic|zip|js|css)\b"
_EMAIL = re.compile(
    rf"(?<![a-z0-9])[a-z0-9][a-z0-9._%+-]{{0,63}}{_AT}(?:[a-z0-9-]{{1,63}}{_DOT}){{1,8}}?(?!{_FILE})(?:[a-z]{{2,24}}|xn--[a-z0-9-]{{2,59}})(?![a-z0-9])",
    re.IGNORECASE | re.ASCII,
)
"""An address as RFC 5322 has its common form, or with "[at]" and "dot" in the place of signs; ``icon@2x.png`` is a file."""

_PHONE_LIKE = re.compile(r"\d(?:[^\w\n]{0,3}\d){6}", re.ASCII)
"""Seven digits close together: the shortest number with its area code; the slow search runs on texts that have it (ours)."""
_CALL = re.compile(r"(?:tel|phone|call|mobile|cell|whats\s?app|fax|text|sms|☎|📞)\W*(?:\w+\W+){0,2}$", re.IGNORECASE)
_NEAR = 40
"""Characters before a number within which that word stands (ours)."""
_HAN = re.compile("[\u4e00-\u9fff]")

_CARD = re.compile(
    r"(?<!\d)(?<!\d[.,])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5}|\d{14,19})(?![.,]?\d)", re.ASCII
)
_ISSUERS = (
    (re.compile("4"), (16, 19)),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile("3[47]"), (15,)),
    (re.compile("6011|64[4-9]|65|62"), (16, 17, 18, 19)),
    (re.compile("35(?:2[89]|[3-8])"), (16, 17, 18, 19)),
    (re.compile("30[0-5]|3095|36|3[89]"), (14, 16, 17, 18, 19)),
)
"""Prefix and lengths of Visa, Mastercard, American Express, Discover and UnionPay, JCB, Diners Club (ISO/IEC 7812, the issuers'
own ranges). Visa's old 13 digits are left out: every article number of Germany begins with a 4 and has 13 (ours)."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Drops texts that give away how to reach somebody, or what to pay with (paper: silent; the rule is ours)."""

    version: ClassVar[int] = 1

    text: str = "alt_text"
    """Column that is read: ``alt_text`` or ``caption``."""
    drop: tuple[str, ...] = KINDS
    """Kinds that a row leaves for; the others are only written down."""
    phone_regions: tuple[str, ...] = ("US", "CN")
    """Regions whose national numbers are known (ISO 3166-1), of China mobile ones alone; with none, only what begins with a plus."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``card_number``, ``email`` or ``phone`` for each row.

        Adds ``<text>_personal_data``: the kinds found, without what was found; null where there is no text.
        """
        found = [None if text is None else self.find(text) for text in batch.column(self.text).to_pylist()]
        rules = [Rule(kind, np.array([kind in (kinds or ()) for kinds in found], np.bool_)) for kind in KINDS if kind in self.drop]
        name = f"{self.text}_personal_data"
        return judge(len(batch), *rules, added={name: pa.array(found, pa.list_(pa.string()))})

    def find(self, text: str) -> list[str]:
        """Return the kinds of personal data in ``text``, in the order of ``KINDS``."""
        plain = unicodedata.normalize("NFKC", text)
        tests = {CARD_NUMBER: has_card_number, EMAIL: has_email, PHONE: self._has_phone}
        return [kind for kind in KINDS if tests[kind](plain)]

    def _has_phone(self, text: str) -> bool:
        return bool(_PHONE_LIKE.search(text)) and any(has_phone(text, region) for region in self.phone_regions or (None,))


def has_email(text: str) -> bool:
    """Whether an e-mail address stands in ``text``."""
    return _EMAIL.search(text) is not None


def has_card_number(text: str) -> bool:
    """Whether a payment card's number stands in ``text``: an issuer's prefix and length, and the check digit (ISO/IEC 7812-1)."""
    return any(_is_card("".join(filter(str.isdigit, match[0]))) for match in _CARD.finditer(text))


def has_phone(text: str, region: str | None) -> bool:
    """Whether a valid phone number stands in ``text``, international or as ``region`` dials it (numbering plans: libphonenumber)."""
    matches = phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID)
    return any(_is_phone(match, text, region) for match in matches)


def _is_phone(match: Any, text: str, region: str | None) -> bool:
    """Tell a phone number from an id of its shape (ours): bare digits need a word that asks to call, or Chinese around them."""
    raw = match.raw_string
    if raw.startswith(("+", "00")):
        return True
    if region == "CN" and phonenumbers.number_type(match.number) != phonenumbers.PhoneNumberType.MOBILE:
        return False
    chinese = region == "CN" and _HAN.search(text)
    return bool(not raw.isdigit() or chinese or _CALL.search(text, max(match.start - _NEAR, 0), match.start))


def _is_card(digits: str) -> bool:
    known = any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _ISSUERS)
    return known and _check_sum(digits) % 10 == 0


def _check_sum(digits: str) -> int:
    """Return the Luhn sum, which is a multiple of ten where the last digit is the check digit of the others."""
    return sum(int(d) if place % 2 == 0 else sum(divmod(2 * int(d), 10)) for place, d in enumerate(reversed(digits)))


@dataclass(frozen=True, slots=True)
class NotSafe:
    """Drops images that show sexual content. Reads ``nsfw_score``, which ``nsfw_scores`` wrote."""

    version: ClassVar[int] = 1

    max_score: float = 0.5
    """Score at most, 0-1 (COYO; OmniCorpus and LAION-5B: 0.8, of another model). Paintings of nudes are above it."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``not_safe`` (value: score) for each row; one without a score breaks no rule."""
        score = numbers(batch.column(c.NSFW_SCORE.name)).round(4)
        return judge(len(batch), Rule("not_safe", score > self.max_score, score, self.max_score))


@dataclass(frozen=True, slots=True)
class Faces:
    """Drops images that show faces, if told to. Reads ``faces``, which ``face_counts`` wrote."""

    version: ClassVar[int] = 1

    max_faces: int | None = None
    """Faces at most; null, the default, lets every image pass (ours)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``faces`` (value: their count) for each row; one that was not looked at breaks no rule."""
        count = numbers(batch.column(c.FACES.name))
        limit = np.inf if self.max_faces is None else self.max_faces
        return judge(len(batch), Rule("faces", count > limit, count, limit))


def nsfw_scores(images: Sequence[Pixels | None], model: ImageScorer) -> dict[str, pa.Array]:
    """Return the column ``nsfw_score`` of n decoded images, null where there is none."""
    seen = [image for image in images if image is not None]
    return {c.NSFW_SCORE.name: scatter(pa.array(model.scores(seen), c.NSFW_SCORE.type), _present(images))}


def face_counts(images: Sequence[Pixels | None], model: Detector) -> dict[str, pa.Array]:
    """Return the column ``faces`` of n decoded images, null where there is none."""
    found = model.detect([image for image in images if image is not None])
    return {c.FACES.name: scatter(pa.array([len(boxes) for boxes in found], c.FACES.type), _present(images))}


def _present(images: Sequence[Pixels | None]) -> npt.NDArray[np.bool_]:
    return np.array([image is not None for image in images], np.bool_)


def card_lines(
    language: Language | None,
    personal_data: Sequence[PersonalData],
    not_safe: NotSafe | None,
    faces: Faces | None,
    blocklist: Blocklist | None,
) -> tuple[str, ...]:
    """Return what a dataset card says of these filters, a line each; None, or nothing to leave by, is stated as off."""
    dropped = [f"{', '.join(rule.drop)} in {rule.text}" for rule in personal_data if rule.drop]
    limit = None if faces is None else faces.max_faces
    return (
        _card_line("Language", language and language.keep and f"only {', '.join(language.keep)}"),
        _card_line("Personal data", dropped and "dropped for " + "; ".join(dropped)),
        _card_line("Sexual content", not_safe and f"images with an open_nsfw score above {not_safe.max_score} are dropped"),
        _card_line("Faces", limit is not None and f"images with more than {limit} are dropped"),
        _card_line("Blocklist", blocklist and blocklist.files and f"hashes of {len(blocklist.files)} files, digest {blocklist.digest}"),
    )


def _card_line(subject: str, rule: object) -> str:
    return f"{subject}: {rule or 'off, nothing was left out for it'}."
