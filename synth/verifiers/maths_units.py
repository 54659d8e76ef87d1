"""The units of school mathematics: enough to tell that two units differ. Physics has a verifier of its own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

_TABLE: Mapping[str, str] = {
    "length": "mm=1/1000 毫米 millimeter millimetre|cm=1/100 厘米 公分 centimeter centimetre|dm=1/10 分米"
    "|m=1 米 公尺 meter metre|km=1000 千米 公里 kilometer kilometre"
    "|in=127/5000 英寸 inch inches|ft=381/1250 英尺 foot feet|yd=1143/1250 yard"
    "|mi=201168/125 英里 mile|nm=1/1000000000 纳米|um=1/1000000 微米",
    "mass": "mg=1/1000 毫克 milligram|g=1 克 gram|kg=1000 千克 公斤 kilogram|t=1000000 吨 ton tonne"
    "|lb=45359237/100000 磅 pound lbs|oz=45359237/1600000 盎司 ounce",
    "time": "ms=1/1000 毫秒|s=1 秒 秒钟 sec second|min=60 分钟 minute mins|h=3600 小时 hr hour|d=86400 天 日 day|week=604800 周 星期",
    "volume": "mL=1/1000 ml 毫升 milliliter|L=1 l 升 liter litre",
    "angle": "°=1 ^\\circ 度 degree deg",
    "radian": "rad=1 弧度 radian",
    "temperature": "°C=1 ℃ 摄氏度",
    "dollars": "$=1 美元 dollar usd|cent=1/100 cents 美分",
    "euros": "€=1 欧元 euro eur",
    "pounds sterling": "£=1 英镑 gbp",
    "yuan": "¥=1 元 块 人民币 yuan rmb cny|角=1/10|分=1/100",
    "force": "N=1 牛 牛顿 newton|kN=1000 千牛",
    "energy": "J=1 焦 焦耳 joule|kJ=1000 千焦",
    "power": "W=1 瓦 瓦特 watt|kW=1000 千瓦",
    "voltage": "V=1 伏 伏特 volt",
    "current": "A=1 安 安培 ampere",
    "frequency": "Hz=1 赫兹 hertz",
    "pressure": "Pa=1 帕 pascal|kPa=1000",
}
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
    """Look ``name`` up as it is, then in lower case where it is a word, then without the s of the plural."""
    lower = name.casefold() if len(name) > 2 else name
    return _ATOMS.get(name) or _ATOMS.get(lower) or (_ATOMS.get(lower.removesuffix("s")) if len(lower) > 3 else None)
