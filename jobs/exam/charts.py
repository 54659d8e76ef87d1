"""Charts and tables: values are multiples of five and lie on a grid line or half-way between two, so that an eye can read them."""

import math
import random

from jobs.exam.canvas import COLOURS, GREY, INK, LIGHT, Canvas
from jobs.exam.item import Item, pick

WIDTH, HEIGHT = 720, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 690, 70, 410
"""The plot inside the picture, in pixels; the axis runs from 0 at the bottom to 100 at the top."""
FRUIT = {"Apples": "苹果", "Bananas": "香蕉", "Cherries": "樱桃", "Grapes": "葡萄", "Lemons": "柠檬", "Pears": "梨"}
CITIES = {"Oslo": "奥斯陆", "Lima": "利马", "Cairo": "开罗", "Delhi": "德里", "Quito": "基多"}
STAFF = {"Anna": "安娜", "Boris": "鲍里斯", "Chen": "小陈", "Dana": "达娜"}


def bar(rng: random.Random, language: str) -> Item:
    """Ask for a value or a difference of two bars."""
    names = rng.sample(sorted(FRUIT), 5)
    values = dict(zip(names, (5 * value for value in rng.sample(range(2, 20), 5)), strict=True))
    canvas = _axes(pick(language, "Fruit sold (kg)", "水果销量（千克）"))
    step = (RIGHT - LEFT) / len(names)
    for place, (name, value) in enumerate(values.items()):
        middle = LEFT + step * (place + 0.5)
        canvas.draw.rectangle((middle - 32, height_of(value), middle + 32, BOTTOM - 1), fill=list(COLOURS.values())[place][0])
        canvas.text((middle, BOTTOM + 24), _said(FRUIT, name, language))
    canvas.draw.line((LEFT, BOTTOM, RIGHT, BOTTOM), fill=INK, width=2)
    one, other = sorted(rng.sample(names, 2), key=lambda name: -values[name])
    first, second = _said(FRUIT, one, language), _said(FRUIT, other, language)
    if rng.random() < 0.5:
        truth = values[one]
        question = pick(
            language, f"How many kilograms of {first.lower()} were sold? Answer with the number.", f"卖出了多少千克{first}？只回答数字。"
        )
    else:
        truth = values[one] - values[other]
        question = pick(
            language,
            f"How many more kilograms of {first.lower()} than of {second.lower()} were sold? Answer with the number.",
            f"{first}比{second}多卖出多少千克？只回答数字。",
        )
    listed = "; ".join(f"{_said(FRUIT, name, language)} {value}" for name, value in values.items())
    words = pick(language, f'A bar chart, "Fruit sold (kg)": {listed}.', f"柱状图《水果销量（千克）》：{listed}。")
    facts = {"values": list(values.values()), "asked": [names.index(one), names.index(other)]}
    return Item("chart", question, str(truth), (canvas.png(),), words, facts=facts)


def line(rng: random.Random, language: str) -> Item:
    """Ask for the year of the highest value, a value, or a change."""
    first = rng.randrange(1995, 2016)
    years = list(range(first, first + 7))
    values = [5 * value for value in rng.sample(range(1, 20), 7)]
    title = pick(language, "Visitors of the museum (thousands)", "博物馆参观人数（千人）")
    canvas = _axes(title)
    step = (RIGHT - LEFT) / len(years)
    points = [(LEFT + step * (place + 0.5), height_of(value)) for place, value in enumerate(values)]
    canvas.draw.line(points, fill=COLOURS["blue"][0], width=3)
    for (x, y), year in zip(points, years, strict=True):
        canvas.draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=COLOURS["red"][0])
        canvas.text((x, BOTTOM + 24), str(year))
    canvas.draw.line((LEFT, BOTTOM, RIGHT, BOTTOM), fill=INK, width=2)
    question, truth = _about_years(rng, language, years, values)
    listed = "; ".join(f"{year}: {value}" for year, value in zip(years, values, strict=True))
    words = pick(language, f'A line chart, "{title}": {listed}.', f"折线图《{title}》：{listed}。")
    return Item("chart", question, truth, (canvas.png(),), words, human_tier="medium", facts={"years": years, "values": values})


def pie(rng: random.Random, language: str) -> Item:
    """Ask for two shares together, or which of two is larger; each share stands in its slice."""
    names = rng.sample(sorted(FRUIT), 4)
    cuts = sorted(rng.sample(range(2, 16), 3))  # of 16 units; a slice of one unit has 10 percent, each further one adds 5
    shares = [10 + 5 * (high - low - 1) for low, high in zip((0, *cuts), (*cuts, 16), strict=True)]
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.text((WIDTH / 2, 32), pick(language, "What the orchard grows", "果园的产量构成"), 24)
    angle = -90.0
    for place, (name, share) in enumerate(zip(names, shares, strict=True)):
        colour, turn = list(COLOURS.values())[place][0], 3.6 * share
        canvas.draw.pieslice((90, 80, 450, 440), angle, angle + turn, fill=colour, outline="#ffffff", width=2)
        middle = math.radians(angle + turn / 2)
        canvas.text((270 + 115 * math.cos(middle), 260 + 115 * math.sin(middle)), f"{share}%", 20, fill="#ffffff")
        canvas.draw.rectangle((510, 150 + 50 * place, 534, 174 + 50 * place), fill=colour)
        canvas.text((548, 162 + 50 * place), _said(FRUIT, name, language), 20, "lm")
        angle += turn
    one, other = rng.sample(range(4), 2)
    first, second = (_said(FRUIT, names[place], language) for place in (one, other))
    question = pick(
        language,
        f"What percentage of the harvest are {first.lower()} and {second.lower()} together? Answer with the number.",
        f"{first}和{second}合计占产量的百分之多少？只回答数字。",
    )
    listed = "; ".join(f"{_said(FRUIT, name, language)} {share}%" for name, share in zip(names, shares, strict=True))
    words = pick(language, f'A pie chart, "What the orchard grows": {listed}.', f"饼图《果园的产量构成》：{listed}。")
    facts = {"shares": shares, "asked": [one, other]}
    return Item("chart", question, str(shares[one] + shares[other]), (canvas.png(),), words, human_tier="easy", facts=facts)


def table(rng: random.Random, language: str) -> Item:
    """Ask for the sum of a row or the difference of two cells."""
    cities, staff = rng.sample(sorted(CITIES), 4), sorted(STAFF)
    cells = [[rng.randrange(10, 100) for _ in staff] for _ in cities]
    canvas = Canvas(640, 340)
    canvas.text((320, 30), pick(language, "Parcels delivered", "派送的包裹数"), 22)
    heads = ["", *(_said(STAFF, name, language) for name in staff)]
    rows = [heads, *([_said(CITIES, city, language), *map(str, row)] for city, row in zip(cities, cells, strict=True))]
    for down, row in enumerate(rows):
        for across, cell in enumerate(row):
            box = (20 + 120 * across, 60 + 52 * down, 140 + 120 * across, 112 + 52 * down)
            canvas.draw.rectangle(box, fill="#eef2f7" if 0 in (down, across) else "#ffffff", outline=GREY)
            canvas.text((box[0] + 60, box[1] + 26), cell, 20)
    row, (one, other) = rng.randrange(4), sorted(rng.sample(range(4), 2))
    city, people = _said(CITIES, cities[row], language), [_said(STAFF, staff[place], language) for place in (one, other)]
    if rng.random() < 0.5:
        truth = sum(cells[row])
        question = pick(language, f"How many parcels were delivered in {city} in total?", f"{city}一共派送了多少个包裹？")
    else:
        truth = abs(cells[row][one] - cells[row][other])
        question = pick(
            language,
            f"By how many parcels do {people[0]} and {people[1]} differ in {city}?",
            f"在{city}，{people[0]}和{people[1]}派送的包裹数相差多少？",
        )
    lines = [" | ".join(cells_) for cells_ in rows]
    words = pick(language, 'A table, "Parcels delivered":\n', "表格《派送的包裹数》：\n") + "\n".join(lines)
    return Item("chart", question, str(truth), (canvas.png(),), words, facts={"cells": cells, "row": row, "asked": [one, other]})


def height_of(value: float) -> int:
    """Return the row of pixels at which ``value`` lies, 0 to 100."""
    return round(BOTTOM - (BOTTOM - TOP) * value / 100)


def _axes(title: str) -> Canvas:
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.text((WIDTH / 2, 32), title, 24)
    for value in range(0, 101, 10):
        canvas.draw.line((LEFT, height_of(value), RIGHT, height_of(value)), fill=LIGHT)
        canvas.text((LEFT - 12, height_of(value)), str(value), 16, "rm")
    return canvas


def _about_years(rng: random.Random, language: str, years: list[int], values: list[int]) -> tuple[str, str]:
    asked = rng.randrange(3)
    if asked == 0:
        highest = years[values.index(max(values))]
        return pick(language, "In which year did the museum have most visitors?", "博物馆哪一年的参观人数最多？"), str(highest)
    place = rng.randrange(1, len(years))
    if asked == 1:
        year = years[place]
        question = pick(
            language, f"How many thousand visitors came in {year}? Answer with the number.", f"{year}年有多少千人参观？只回答数字。"
        )
        return question, str(values[place])
    before, after = years[place - 1], years[place]
    question = pick(
        language,
        f"By how many thousand did the number of visitors change from {before} to {after}? Answer with the number, without a sign.",
        f"从{before}年到{after}年，参观人数变化了多少千人？只回答数字，不带正负号。",
    )
    return question, str(abs(values[place] - values[place - 1]))


def _said(names: dict[str, str], name: str, language: str) -> str:
    return pick(language, name, names[name])
