"""The units of school mathematics: enough to tell that two units differ.

Few on purpose, and exact: of the hundreds of names in ``units`` most are variables in mathematics, and a fraction has to stay one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from synth.verifiers.numerals import CURRENCIES
from synth.verifiers.units import HAN

_TABLE: Mapping[str, str] = {
    "length": "mm=1/1000 millimeter millimetre|cm=1/100 centimeter centimetre|dm=1/10|m=1 meter metre|km=1000 kilometer kilometre"
    "|in=127/5000 inch inches|ft=381/1250 foot feet|yd=1143/1250 yard|mi=201168/125 mile|nm=1/1000000000|um=1/1000000 μm",
    "mass": "mg=1/1000 milligram|g=1 gram|kg=1000 kilogram|t=1000000 metric_ton ton tonne"
    "|lb=45359237/100000 pound lbs|oz=45359237/1600000 ounce",
    "time": "ms=1/1000|s=1 sec second|min=60 minute mins|h=3600 hr hour|d=86400 day 日|week=604800 周 星期",
    "volume": "mL=1/1000 ml milliliter|L=1 l liter litre",
    "angle": "°=1 ^\\circ degree deg",
    "radian": "rad=1 radian",
    "temperature": "°C=1 ℃ degC",
    "dollars": "$=1|cent=1/100 cents 美分",
    "euros": "€=1",
    "pounds sterling": "£=1",
    "yuan": "¥=1 块|角=1/10|分=1/100",
    "force": "N=1 newton|kN=1000",
    "energy": "J=1 joule|kJ=1000",
    "power": "W=1 watt|kW=1000",
    "voltage": "V=1 volt",
    "current": "A=1 ampere",
    "frequency": "Hz=1 hertz",
    "pressure": "Pa=1 pascal|kPa=1000",
}
"""Symbols by dimension, each with its size and other names; more names of them are in ``HAN`` and ``CURRENCIES``."""
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "平方": 2, "立方": 3}
_ATOM = re.compile(r"(square |sq\.? |cubic |平方|立方)?([^\d^/*\s{}]+|\^\\circ ?C?)\s*(?:\^\{?([1-4])\}?|([23]))?$")


@dataclass(frozen=True, slots=True)
class Unit:
    """A product of dimensions, and the size in the first unit of each."""

    dimensions: tuple[tuple[str, int], ...]
    factor: Fraction


def _atoms() -> dict[str, tuple[str, Fraction]]:
    return {
        name: (dimension, Fraction(factor))
        for dimension, entries in _TABLE.items()
        for entry in entries.split("|")
        for symbol, _, rest in [entry.partition("=")]
        for factor, *names in [rest.split()]
        for name in (symbol, *names)
    }


_ATOMS = _atoms()


def unit(text: str) -> Unit | None:
    """Return the unit that ``text`` names, such as ``cm``, ``厘米``, ``square metres``, ``km/h`` or ``m^2``; None for an unknown one."""
    top, *bottoms = re.split(r"/|\bper\b|每", text.strip())
    dimensions: dict[str, int] = {}
    factor = Fraction(1)
    for part, sign in [(top, 1), *((bottom, -1) for bottom in bottoms)]:
        atom = _atom(part.strip())
        if atom is None:
            return None
        dimension, size, power = atom
        dimensions[dimension] = dimensions.get(dimension, 0) + sign * power
        factor *= size ** (sign * power)
    return Unit(tuple(sorted(dimensions.items())), factor)


def _atom(text: str) -> tuple[str, Fraction, int] | None:
    match = _ATOM.fullmatch(text)
    if match is None:
        return None
    known = _known(match.group(2).strip())
    power = _POWERS.get((match.group(1) or "").strip(" ."), 1) * int(match.group(3) or match.group(4) or 1)
    return (*known, power) if known else None


def _known(name: str) -> tuple[str, Fraction] | None:
    """Look ``name`` up as it is, in lower case where it is a word, without the s of the plural, in Chinese, and as a currency."""
    lower = name.casefold() if len(name) > 2 else name
    singular = lower.removesuffix("s") if len(lower) > 3 else lower
    spellings = (name, lower, singular, HAN.get(name), CURRENCIES.get(lower))
    return next((_ATOMS[spelling] for spelling in spellings if spelling in _ATOMS), None)
