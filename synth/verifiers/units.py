"""Units of measurement as people write them: ``m/s^2``, ``J/(mol·K)``, ``kg m^-3``, ``metres per second``, 千米每小时.

pint knows what a name means; the grammar is ours, so that no text is ever evaluated: a name has at most 24 letters, an exponent
two digits, a unit 24 names and 8 brackets.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

LONGEST, DEEPEST, MOST_TOKENS, MOST_EXPONENT = 80, 8, 48, 12

_TOKEN = re.compile(
    r"([A-Za-zΩμÅ°%]{1,24})|(?:\^|\*\*) ?(?:\(([-+]?[0-9]{1,2})\)|([-+]?[0-9]{1,2})(?![0-9]))|([-+]?[0-9]{1,2})(?![0-9])|([()/*·×])| "
)
_ALIASES = {
    "°C": "degC", "Celsius": "degC", "°F": "degF", "Fahrenheit": "degF", "Kelvin": "kelvin", "°": "degree", "degrees": "degree",
    "%": "percent", "Kg": "kg", "KG": "kg", "Km": "km", "KM": "km", "kmh": "kph", "kph": "kph", "kmph": "kph", "ML": "mL", "Ml": "mL",
    "KJ": "kJ", "KW": "kW", "kw": "kW", "KWh": "kWh", "KV": "kV", "KPa": "kPa", "Kpa": "kPa", "kpa": "kPa", "Torr": "torr",
    "hz": "Hz", "KHz": "kHz", "khz": "kHz", "AU": "astronomical_unit",
}  # fmt: skip
"""Spellings that pint does not read, or reads as something else."""
_PRODUCTS = {"Nm": ("N", "m"), "Pas": ("Pa", "s"), "Vs": ("V", "s"), "As": ("A", "s"), "Ws": ("W", "s")}
"""Products that are written without a sign between."""
_NOT_UNITS = frozenset(("a", "an", "as", "at", "b", "dB", "e", "G", "is", "k", "Np", "per", "pH", "R", "th", "to"))
"""Names that pint takes for a constant, a rare unit or a logarithm where people mean none."""

HAN: Mapping[str, str] = {
    "千米": "km", "公里": "km", "米": "m", "公尺": "m", "分米": "dm", "厘米": "cm", "公分": "cm", "毫米": "mm", "微米": "μm", "纳米": "nm",
    "英里": "mile", "英尺": "foot", "英寸": "inch", "光年": "light_year",
    "千克": "kg", "公斤": "kg", "克": "g", "毫克": "mg", "微克": "μg", "吨": "metric_ton", "磅": "pound", "盎司": "ounce",
    "天": "day", "小时": "hour", "时": "hour", "分钟": "minute", "分": "minute", "秒": "s", "秒钟": "s", "毫秒": "ms", "微秒": "μs",
    "升": "L", "毫升": "mL", "摩尔": "mol", "摩": "mol", "毫摩尔": "mmol",
    "牛顿": "N", "牛": "N", "千牛": "kN", "帕斯卡": "Pa", "帕": "Pa", "千帕": "kPa", "兆帕": "MPa", "标准大气压": "atm", "大气压": "atm",
    "焦耳": "J", "焦": "J", "千焦": "kJ", "电子伏特": "eV", "电子伏": "eV", "卡": "cal", "千卡": "kcal", "千瓦时": "kWh",
    "瓦特": "W", "瓦": "W", "千瓦": "kW", "兆瓦": "MW", "伏特": "V", "伏": "V", "千伏": "kV", "毫伏": "mV",
    "安培": "A", "安": "A", "毫安": "mA", "微安": "μA", "欧姆": "ohm", "欧": "ohm", "千欧": "kohm", "兆欧": "Mohm",
    "库仑": "C", "库": "C", "法拉": "F", "微法": "μF", "特斯拉": "T", "特": "T", "韦伯": "Wb", "亨利": "H",
    "赫兹": "Hz", "赫": "Hz", "千赫": "kHz", "兆赫": "MHz", "流明": "lm", "坎德拉": "cd",
    "摄氏度": "degC", "华氏度": "degF", "开尔文": "kelvin", "开": "kelvin", "弧度": "radian", "度": "degree", "每": "/",
}  # fmt: skip
"""Units in Chinese, by names that pint knows."""
_HAN_NAME = re.compile("|".join(sorted(HAN, key=len, reverse=True)))
_HAN_POWER = re.compile(rf"(平方|立方|二次方|三次方)({_HAN_NAME.pattern})")
_POWER_WORDS = {
    "平方": "^2",
    "二次方": "^2",
    "立方": "^3",
    "三次方": "^3",
    "square": "^2",
    "sq": "^2",
    "cubic": "^3",
    "cu": "^3",
    "squared": "^2",
    "cubed": "^3",
}
_BEFORE = re.compile(r"\b(square|sq|cubic|cu)\.? ([A-Za-z]{1,24})\b")
_AFTER = re.compile(r"\b([A-Za-z]{1,24}) (squared|cubed)\b")
_PER = re.compile(r"(?<=[A-Za-z0-9)]) ?\bper\b ?")

Dimension = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, as what one of it is in base units."""

    factor: float
    dimension: Dimension
    """Base dimensions with their powers, in alphabetical order; ``()`` for a percent."""
    offset: float = 0.0
    """Base units at its zero: 273.15 for degrees Celsius. Only a unit that stands alone has one."""
    angle: bool = False
    """Whether it is a plain angle, which no number without unit is equal to."""

    def same_size(self, other: "Unit") -> bool:
        """Tell whether both are the same unit, maybe by other names: N and kg·m/s²."""
        return self.dimension == other.dimension and math.isclose(self.factor, other.factor, rel_tol=1e-9) and self.offset == other.offset


@lru_cache(maxsize=4096)
def unit(text: str) -> Unit | None:
    """Return the unit that ``flat`` text names; None for anything that is no unit. After a ``/`` all that follows divides."""
    if len(text) > LONGEST:
        return None
    tokens = _tokens(_spelled_out(text.strip()))
    if not tokens:
        return None
    try:
        found, end = _product(tokens, 0, 0)
    except _NoUnit:
        return None
    return found if end == len(tokens) else None


class _NoUnit(Exception):
    """A text that is no unit."""


def _spelled_out(text: str) -> str:
    text = _HAN_POWER.sub(lambda found: HAN[found.group(2)] + _POWER_WORDS[found.group(1)] + " ", text)
    text = _HAN_NAME.sub(lambda name: f" {HAN[name.group()]} ", text)
    text = _BEFORE.sub(lambda found: found.group(2) + _POWER_WORDS[found.group(1)], text)
    text = _AFTER.sub(lambda found: found.group(1) + _POWER_WORDS[found.group(2)], text)
    return " ".join(_PER.sub("/", text).split())


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return (kind, value) pairs: names, powers and signs; none at all where anything else stands in ``text``."""
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or len(tokens) > MOST_TOKENS:
            return []
        place = found.end()
        name, enclosed, raised, bare, sign = found.groups()
        power = enclosed or raised or bare
        if name or power or sign:
            tokens.append(("name", name) if name else ("power", power) if power else ("sign", sign))
    return tokens


def _product(tokens: list[tuple[str, str]], place: int, depth: int) -> tuple[Unit, int]:
    """Read factors up to a closing bracket or the end; return their product and the place behind it."""
    if depth > DEEPEST:
        raise _NoUnit
    product: Unit | None = None
    sign, expects = 1, True
    while place < len(tokens) and tokens[place] != ("sign", ")"):
        kind, value = tokens[place]
        if kind == "sign" and value != "(":
            if expects and not (value == "/" and product is None):
                raise _NoUnit
            sign, expects, place = -1 if value == "/" else sign, True, place + 1
            continue
        factor, place = _factor(tokens, place, depth)
        product = _times(product, factor, sign)
        expects = False
    if expects or product is None:
        raise _NoUnit
    return product, place


def _factor(tokens: list[tuple[str, str]], place: int, depth: int) -> tuple[Unit, int]:
    kind, value = tokens[place]
    if kind == "name":
        found, place = _named(value), place + 1
    elif kind == "sign":
        found, place = _product(tokens, place + 1, depth + 1)
        if place >= len(tokens):
            raise _NoUnit
        place += 1
    elif value == "1" and tokens[place + 1 : place + 2] == [("sign", "/")]:
        return Unit(1.0, ()), place + 1
    else:
        raise _NoUnit
    if place < len(tokens) and tokens[place][0] == "power":
        return _raised(found, int(tokens[place][1])), place + 1
    return found, place


def _named(name: str) -> Unit:
    if name in _PRODUCTS:
        one, other = map(_atom, _PRODUCTS[name])
        return _times(one, other, 1) if one and other else _nothing()
    return _atom(_ALIASES.get(name, name)) or _nothing()


def _nothing() -> Unit:
    raise _NoUnit


def _raised(found: Unit, power: int) -> Unit:
    if not 0 < abs(power) <= MOST_EXPONENT:
        raise _NoUnit
    try:
        factor = found.factor**power
    except OverflowError:
        raise _NoUnit from None
    return Unit(factor, tuple((name, count * power) for name, count in found.dimension))


def _times(one: Unit | None, other: Unit, sign: int) -> Unit:
    """Return the product, or for ``sign`` -1 the quotient; in a product, degrees are differences of temperature."""
    if one is None and sign == 1:
        return other
    one = one or Unit(1.0, ())
    counts = dict(one.dimension)
    for name, count in other.dimension:
        counts[name] = counts.get(name, 0) + sign * count
    factor = one.factor * other.factor**sign
    if not math.isfinite(factor) or factor == 0:
        raise _NoUnit
    return Unit(factor, tuple(sorted((name, count) for name, count in counts.items() if count)))


@cache
def _registry() -> Any:
    """Load pint's registry, once in a worker (0.3 to 1 s)."""
    import pint

    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=None)


@lru_cache(maxsize=4096)
def _atom(name: str) -> Unit | None:
    """Return what pint knows by ``name``, in which the first reading counts: ``min`` is a minute and no milli-inch."""
    if name in _NOT_UNITS:
        return None
    registry = _registry()
    readings = registry.parse_unit_name(name)
    if not readings:
        return None
    prefix, base, _ = readings[0]
    known = registry.UnitsContainer({prefix + base: 1})
    zero, one = (registry.Quantity(value, known).to_root_units() for value in (0.0, 1.0))
    factor, offset = one.magnitude - zero.magnitude, zero.magnitude
    dimension = tuple(sorted((str(part), float(count)) for part, count in one.dimensionality.items()))
    return Unit(factor, dimension, round(offset, 9), angle=str(one.units) == "radian")
