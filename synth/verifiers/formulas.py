"""Chemical formulas and equations, compared as they are written: elements, order, digits, charges, states, sides and coefficients.

Two formulas that differ in composition are different. Two that differ only in how they are written, such as CH3CH2OH and C2H5OH,
are nobody's to decide here: isomers have one composition too.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward
from synth.verifiers.typography import flat

FORMULA, EQUATION = "formula", "equation"
LONGEST, MOST_TERMS = 400, 24
"""Characters of an equation, and terms on both sides (ours)."""

_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru "
    "Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At "
    "Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og D T"
)
ELEMENTS = frozenset(_SYMBOLS.split())
"""Symbols of the elements, deuterium and tritium (IUPAC)."""

_BODY = r"(?:[A-Z][a-z]?[0-9]{0,3}|[(\[](?=[A-Z(\[])|[)\]][0-9]{0,3}|·[0-9]{0,2}(?=[A-Z(\[]))+"
_CHARGE = r"(?:\^?[0-9]?[+-]|\^\(?[0-9]?[+-]\)?|\^[+-][0-9]| [0-9]?[+-])"
_SPECIES = re.compile(
    r"([0-9]{1,4}(?:/[0-9]{1,3}|\.[0-9]{1,3})?|\([0-9]{1,3}\)/\([0-9]{1,3}\))? ?"
    rf"({_BODY}|e(?=\^?-))({_CHARGE})? ?(\((?:g|s|l|aq)\))?[↑↓ ]*"
)
_BETWEEN = re.compile(r"\s*\+\s*(?=[0-9A-Z(\[e])")
_CONDITION = re.compile(
    r"\\x(?:right|left|rightleft)arrow(?:s|harpoons)?(?:\[[^\]\[]{0,40}\])?\{[^{}]{0,40}\}|\\(?:overset|stackrel|underset)\{[^{}]{0,40}\}\{([^{}]{1,24})\}"
)
_ARROW = re.compile(r"<?=+[^A-Z=\-+<>→]{1,16}=+>?|<?-+[^A-Z=\-+<>→0-9]{1,16}-+>|<=+>|<-+>|=+>|-+>|→|⇌|=+")
_REVERSIBLE = re.compile(r"⇌|<=+>|<-+>")
_PIECE = re.compile(r"([A-Z][a-z]?)([0-9]{0,3})|([(\[])|([)\]])([0-9]{0,3})|·([0-9]{0,2})")


@dataclass(frozen=True, slots=True)
class Species:
    """One formula with its coefficient, charge and state."""

    coefficient: Fraction
    body: str
    """Elements and brackets as written, without coefficient, charge and state."""
    charge: str
    """Such as ``2+``; where it was written without a ``^`` its digit may be a subscript, and stands in the body."""
    explicit: bool
    """Whether the charge stood behind a ``^`` or a blank, or there is none."""
    state: str

    @property
    def spelled(self) -> str:
        """The formula with its charge in one line, in which ``Fe^{3+}`` and ``Fe3+`` are the same."""
        return self.body.replace("[", "(").replace("]", ")") + (
            self.charge if self.charge != "1+" and self.charge != "1-" else self.charge[1]
        )


@lru_cache(maxsize=4096)
def species(text: str) -> Species | None:
    """Return the formula that ``flat`` text is; None for anything else, also for letters that are no elements."""
    found = _SPECIES.fullmatch(text.strip())
    if found is None:
        return None
    coefficient, body, charge, state = found.groups()
    if body != "e" and _composition(body) is None:
        return None
    count = Fraction((coefficient or "1").replace("(", "").replace(")", "")) if not (coefficient or "").endswith("/0") else Fraction(0)
    if count == 0:
        return None
    plain = (charge or "").replace("^", "").replace("(", "").replace(")", "").strip()
    plain = plain[1] + plain[0] if len(plain) == 2 and plain[0] in "+-" else plain
    return Species(count, body, plain, not charge or charge[0] in "^ ", state or "")


@lru_cache(maxsize=4096)
def _composition(body: str) -> Mapping[str, int] | None:
    """Return the atoms of each element; None where a letter is no element or brackets do not match."""
    stack: list[Counter[str]] = [Counter()]
    factor, total = 1, Counter[str]()
    for element, count, opens, closes, times, hydrate in _PIECE.findall(body):
        if element:
            if element not in ELEMENTS:
                return None
            stack[-1][element] += int(count or 1)
        elif opens:
            stack.append(Counter())
        elif closes:
            if len(stack) < 2:
                return None
            inner = stack.pop()
            stack[-1].update({name: number * int(times or 1) for name, number in inner.items()})
        elif len(stack) == 1:
            total.update({name: number * factor for name, number in stack[0].items()})
            stack, factor = [Counter()], int(hydrate or 1)
    if len(stack) != 1:
        return None
    total.update({name: number * factor for name, number in stack[0].items()})
    return total


def compare_formulas(answer: str, truth: str) -> Reward | None:
    """Hold two formulas or two equations against each other; None where one of them is neither.

    Case and digits count. States count where both name them. Conditions over an arrow, ``↑`` and ``↓`` do not. An equation has its
    terms in any order, and its coefficients up to a common factor; turned round it is another one. ``→`` against ``⇌`` is
    ``undecided``. The coefficient of a single formula counts.
    """
    if max(len(answer), len(truth)) > LONGEST:
        return None
    said, true = (_CONDITION.sub(lambda found: found.group(1) or "→", text) for text in (answer, truth))
    said, true = flat(said).strip(" .。"), flat(true).strip(" .。")
    one, other = species(said), species(true)
    if one and other:
        return _compared(one, other)
    left, right = _sides(said), _sides(true)
    return _equations(left, right) if left and right else None


def is_formula(text: str) -> bool:
    """Tell whether ``text`` is a formula of elements, with or without coefficient, charge and state."""
    return len(text) <= LONGEST and species(flat(text).strip(" .。")) is not None


def _compared(one: Species, other: Species) -> Reward:
    if one.coefficient == other.coefficient and _same(one, other):
        return Reward(1.0, EQUAL, FORMULA)
    same_atoms = one.coefficient == other.coefficient and _states_agree(one, other) and bool(_readings(one) & _readings(other))
    return Reward(None, UNDECIDED, FORMULA) if same_atoms else Reward(0.0, DIFFERENT, FORMULA)


def _same(one: Species, other: Species) -> bool:
    both_say = one.explicit and other.explicit
    is_same = (
        (one.body, one.charge) == (other.body, other.charge) if both_say and one.charge and other.charge else one.spelled == other.spelled
    )
    return is_same and _states_agree(one, other)


def _states_agree(one: Species, other: Species) -> bool:
    return not one.state or not other.state or one.state == other.state


def _readings(one: Species) -> set[tuple[tuple[tuple[str, int], ...], str]]:
    """Return the compositions with charge that a formula may mean: ``Fe3+`` is an ion of three charges, or of three atoms."""
    readings = [(one.body, one.charge)]
    if not one.explicit and one.body[-1:].isdigit():
        readings.append((one.body[:-1], one.body[-1] + one.charge))
    atoms = [(_composition(body), charge) for body, charge in readings]
    return {(tuple(sorted(counts.items())), charge.lstrip("1")) for counts, charge in atoms if counts is not None}


@dataclass(frozen=True, slots=True)
class Equation:
    """The terms on both sides."""

    left: tuple[Species, ...]
    right: tuple[Species, ...]
    reversible: bool


@lru_cache(maxsize=4096)
def _sides(text: str) -> Equation | None:
    arrows = list(_ARROW.finditer(text))
    if len(arrows) != 1:
        return None
    left, right = (_terms(side) for side in (text[: arrows[0].start()], text[arrows[0].end() :]))
    return Equation(left, right, bool(_REVERSIBLE.search(arrows[0].group()))) if left and right else None


def _terms(side: str) -> tuple[Species, ...]:
    """Return the formulas of one side; none at all where one of its terms is no formula."""
    terms = [species(term) for term in _BETWEEN.split(side.strip())]
    return tuple(term for term in terms if term) if all(terms) and len(terms) <= MOST_TERMS else ()


def _equations(one: Equation, other: Equation) -> Reward:
    ratios = [_ratios(said, true) for said, true in ((one.left, other.left), (one.right, other.right))]
    if None in ratios:
        return Reward(0.0, DIFFERENT, EQUATION)
    if len({ratio for side in ratios for ratio in side or ()}) != 1:
        return Reward(0.0, "coefficients", EQUATION)
    return Reward(1.0, EQUAL, EQUATION) if one.reversible == other.reversible else Reward(None, UNDECIDED, EQUATION)


def _ratios(said: Sequence[Species], true: Sequence[Species]) -> set[Fraction] | None:
    """Return the ratios of the coefficients of equal terms; None where a term of one side is missing on the other."""
    left, ratios = list(true), set[Fraction]()
    for term in said:
        match = next((other for other in left if _same(term, other)), None)
        if match is None:
            return None
        left.remove(match)
        ratios.add(term.coefficient / match.coefficient)
    return None if left else ratios
