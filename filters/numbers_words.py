"""How numbers are written in words, and what units they carry, folded (ours)."""

from collections.abc import Mapping
from types import MappingProxyType

from filters.names import listed

_ENGLISH = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS = listed("twenty thirty forty fifty sixty seventy eighty ninety")
_GERMAN = listed("null ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf")
_FRENCH = listed("zero un deux trois quatre cinq six sept huit neuf dix onze douze")
_SPANISH = listed("cero un dos tres cuatro cinco seis siete ocho nueve diez once doce")
_ITALIAN = listed("zero un due tre quattro cinque sei sette otto nove dieci undici dodici")
_RUSSIAN = listed("ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать")

WORDS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "en": {
            **{word: value for value, word in enumerate(_ENGLISH)},
            **{word: 10 * value for value, word in enumerate(_TENS, 2)},
            **{word: value for value, word in enumerate(listed("third fourth fifth sixth seventh eighth ninth tenth"), 3)},
            "single": 1, "pair": 2, "couple": 2, "duo": 2, "twin": 2, "twins": 2, "trio": 3, "triplets": 3, "quartet": 4,
            "quintet": 5, "dozen": 12,
        },
        "de": {word: value for value, word in enumerate(_GERMAN)} | {"eine": 1, "einen": 1, "einem": 1, "einer": 1, "eines": 1, "paar": 2},
        "fr": {word: value for value, word in enumerate(_FRENCH)} | {"une": 1, "vingt": 20, "trente": 30, "cent": 100, "paire": 2},
        "es": {word: value for value, word in enumerate(_SPANISH)} | {"una": 1, "uno": 1, "veinte": 20, "treinta": 30, "cien": 100,
        "par": 2},
        "it": {word: value for value, word in enumerate(_ITALIAN)} | {"una": 1, "uno": 1, "venti": 20},
        "ru": {word: value for value, word in enumerate(_RUSSIAN)}
        | {"одна": 1, "одно": 1, "одного": 1, "две": 2, "двое": 2, "двух": 2, "трое": 3, "трех": 3, "четверо": 4, "четырех": 4,
        "пятеро": 5, "пара": 2},
    }
)  # fmt: skip
"""Value of each number word by language."""
SCALES: Mapping[str, int] = MappingProxyType(
    {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12, "万": 10**4, "亿": 10**8, "千": 1000, "百": 100}
)

_MONTHS = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "januar februar marz april mai juni juli august september oktober november dezember",
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
)
MONTHS: Mapping[str, int] = MappingProxyType({month: number for names in _MONTHS for number, month in enumerate(names.split(), 1)})
"""Number of each month by its folded name; they are months only in a date."""

HAN_DIGITS: Mapping[str, int] = MappingProxyType(
    {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2, "仨": 3}
)
HAN_POWERS: Mapping[str, int] = MappingProxyType({"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8})
COUNTERS = (
    "只隻个個名位人条条張张座辆輛朵棵匹头頭间間层層块塊件本架艘枚把根支枝串束双雙对對盏群排栋幢幅扇口颗片杯碗盘瓶罐盒包袋台部套艇株尾羽冊冊輪轮缸壶岁歳级級楼樓号號折届屆次世代集季卷章期周週天年月日时時点點分秒米元円"
    "度吨斤克升寸尺里番路线線强強寨"
)
"""Measure words and units of Chinese and Japanese that follow a number in Han digits."""

_UNITS = (
    ("m", "m metre metres meter meters mètre mètres metro metros м метр метра метров 米"),
    ("km", "km kilometre kilometres kilometer kilometers км 公里 千米"),
    ("cm", "cm centimetre centimetres centimeter centimeters см 厘米 公分"),
    ("mm", "mm millimetre millimetres millimeter millimeters мм 毫米"),
    ("ft", "ft foot feet 英尺"), ("in", "inch inches zoll 寸 英寸"), ("mi", "mile miles 英里"), ("yd", "yard yards"),
    ("kg", "kg kilo kilos kilogram kilograms кг 公斤 千克"), ("g", "g gram grams 克"), ("lb", "lb lbs pound pounds 磅"),
    ("oz", "oz ounce ounces 盎司"),
    ("t", "ton tons tonne tonnes 吨"), ("l", "l liter liters litre litres 升"), ("ml", "ml 毫升"),
    ("%", "% percent per-cent prozent"), ("$", "$ dollar dollars usd 美元"), ("€", "€ euro euros eur 欧元"),
    ("¥", "¥ yuan rmb cny 元 円 块"), ("£", "£ gbp"),
    ("w", "w watt watts 瓦"), ("v", "v volt volts 伏"), ("mah", "mah 毫安"), ("gb", "gb"), ("tb", "tb"),
    ("mp", "mp megapixel megapixels"), ("hp", "hp ps 马力"),
    ("h", "h hour hours hrs 小时"), ("min", "min minute minutes 分钟"), ("°", "° degree degrees 度"), ("mph", "mph"), ("kmh", "kmh km/h"),
)  # fmt: skip
UNITS: Mapping[str, str] = MappingProxyType({word: unit for unit, words in _UNITS for word in words.split()})
"""Canonical unit of each way to write it, folded."""
