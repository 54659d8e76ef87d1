"""Questions without pictures: sums, physics, chemistry, choices, several turns, and tasks that nothing can verify."""

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from jobs.exam.item import ASSISTANT, USER, ZH, Item, pick

MASSES: Mapping[str, int] = MappingProxyType({"H": 1, "C": 12, "N": 14, "O": 16, "Na": 23, "S": 32, "Ca": 40})
"""Atomic masses in g/mol, rounded to whole numbers as school books do."""
COMPOUNDS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "H2O": {"H": 2, "O": 1},
        "CO2": {"C": 1, "O": 2},
        "NaOH": {"Na": 1, "O": 1, "H": 1},
        "H2SO4": {"H": 2, "S": 1, "O": 4},
        "CaCO3": {"Ca": 1, "C": 1, "O": 3},
        "HNO3": {"H": 1, "N": 1, "O": 3},
        "C6H12O6": {"C": 6, "H": 12, "O": 6},
        "NH3": {"N": 1, "H": 3},
    }
)
NAMES: Sequence[tuple[str, str, str]] = (
    ("table salt", "食盐（氯化钠）", "NaCl"),
    ("carbon dioxide", "二氧化碳", "CO2"),
    ("ammonia", "氨", "NH3"),
    ("sulphuric acid", "硫酸", "H2SO4"),
    ("methane", "甲烷", "CH4"),
    ("calcium carbonate", "碳酸钙", "CaCO3"),
)
"""Names of compounds in English and Chinese, and their formulas."""
CHOICES: Sequence[tuple[str, Sequence[str], str, Sequence[str]]] = (
    (
        "Which planet of the solar system has the largest diameter?",
        ("Jupiter", "Saturn", "Earth", "Mars"),
        "太阳系中直径最大的行星是哪一颗？",
        ("木星", "土星", "地球", "火星"),
    ),
    (
        "What is the capital of Australia?",
        ("Canberra", "Sydney", "Melbourne", "Perth"),
        "澳大利亚的首都是哪座城市？",
        ("堪培拉", "悉尼", "墨尔本", "珀斯"),
    ),
    (
        "Which gas makes up most of the air?",
        ("Nitrogen", "Oxygen", "Argon", "Carbon dioxide"),
        "空气中含量最多的气体是什么？",
        ("氮气", "氧气", "氩气", "二氧化碳"),
    ),
    (
        "Which organ pumps blood through the body?",
        ("Heart", "Liver", "Lung", "Kidney"),
        "哪个器官把血液泵送到全身？",
        ("心脏", "肝脏", "肺", "肾脏"),
    ),
    ("Which number is prime?", ("97", "91", "87", "93"), "下列哪个数是质数？", ("97", "91", "87", "93")),
    (
        "Who wrote Hamlet?",
        ("Shakespeare", "Goethe", "Cervantes", "Dante"),
        "《哈姆雷特》的作者是谁？",
        ("莎士比亚", "歌德", "塞万提斯", "但丁"),
    ),
    (
        "At what temperature does water boil at sea level?",
        ("100 °C", "90 °C", "80 °C", "120 °C"),
        "在海平面上水的沸点是多少？",
        ("100 °C", "90 °C", "80 °C", "120 °C"),
    ),
    (
        "Which ocean is the largest?",
        ("Pacific", "Atlantic", "Indian", "Arctic"),
        "最大的海洋是哪一个？",
        ("太平洋", "大西洋", "印度洋", "北冰洋"),
    ),
    ("What is the chemical symbol of gold?", ("Au", "Ag", "Gd", "Go"), "金的化学符号是什么？", ("Au", "Ag", "Gd", "Go")),
    (
        "Which animal is a mammal?",
        ("Dolphin", "Shark", "Penguin", "Crocodile"),
        "下列哪种动物是哺乳动物？",
        ("海豚", "鲨鱼", "企鹅", "鳄鱼"),
    ),
)
"""Questions with one right option, which stands first, in English and Chinese."""
PLANS: Sequence[tuple[str, str]] = (
    (
        "Plan a working day on which I repaint a small bedroom. List the steps in order and say what can be done while the paint dries.",
        "我想用一天时间重新粉刷小卧室。请按顺序列出步骤，并说明等油漆干的时候可以做什么。",
    ),
    (
        "You are an agent with the tools search(query), open(url) and note(text). Plan how to find out which of two phones is lighter.",
        "你是一个智能体，可以使用search(query)、open(url)和note(text)三个工具。请规划如何查出两款手机中哪一款更轻。",
    ),
    (
        "Plan a three-day trip to a city by train for a family with a small child. Keep each day to two activities.",
        "请为带着幼儿的家庭规划乘火车去某城市的三日游，每天最多安排两项活动。",
    ),
    (
        "You are an agent that may read and write files. Plan how to rename 500 photographs by their dates and lose none.",
        "你是可以读写文件的智能体。请规划如何按拍摄日期重命名500张照片而不丢失任何一张。",
    ),
)
WRITING: Sequence[tuple[str, str]] = (
    ("Write a short letter in which you thank a neighbour who watered your plants.", "请写一封短信，感谢帮你浇花的邻居。"),
    ("Write a poem of eight lines about the first snow in a harbour.", "请写一首八行诗，描写港口的第一场雪。"),
    ("Explain to a child of seven years why the moon changes its shape.", "请向七岁的孩子解释月亮为什么会变形状。"),
    (
        "Write the beginning of a story that takes place in a lighthouse, in exactly three sentences.",
        "请用恰好三句话写一个发生在灯塔里的故事的开头。",
    ),
)


def arithmetic(rng: random.Random, language: str) -> Item:
    """Ask for the outcome of a shop's day."""
    price, sold, cost = rng.randrange(3, 20), rng.randrange(12, 60), rng.randrange(10, 40)
    question = pick(
        language,
        f"A stall sells {sold} cakes at {price} euros each and pays {cost} euros for the place. How many euros are left?",
        f"一个摊位以每个{price}元的价格卖出{sold}个蛋糕，并支付{cost}元摊位费。还剩多少元？",
    )
    return Item("math", question, str(price * sold - cost), human_tier="easy", facts={"price": price, "sold": sold, "cost": cost})


def equation(rng: random.Random, language: str) -> Item:
    """Ask for the two whole roots of a quadratic equation."""
    low, high = sorted(rng.sample([number for number in range(-9, 10) if number], 2))
    linear, constant = -(low + high), low * high
    left = "x^2" + _term(linear, "x") + _term(constant, "")
    question = pick(language, f"Find all solutions of ${left} = 0$.", f"求方程 ${left} = 0$ 的所有解。")
    return Item("math", question, f"{low}, {high}", human_tier="medium", facts={"linear": linear, "constant": constant})


def physics(rng: random.Random, language: str) -> Item:
    """Ask for a speed, a force or an energy; truth and unit."""
    one, other = rng.randrange(2, 20), rng.randrange(2, 20)
    kind = rng.randrange(3)
    if kind == 0:
        question = pick(
            language,
            f"A cyclist rides {one * other} m in {other} s at a steady speed. What is the speed?",
            f"一名骑行者匀速行驶{one * other}米，用时{other}秒。速度是多少？",
        )
        truth = f"{one} m/s"
    elif kind == 1:
        question = pick(
            language,
            f"What force gives a body of {one} kg an acceleration of {other} m/s²?",
            f"使{one}千克的物体获得{other} m/s²的加速度需要多大的力？",
        )
        truth = f"{one * other} N"
    else:
        question = pick(
            language,
            f"What is the kinetic energy of a body of {2 * one} kg that moves at {other} m/s?",
            f"质量为{2 * one}千克、速度为{other} m/s的物体的动能是多少？",
        )
        truth = f"{one * other * other} J"
    return Item("physics", question, truth, human_tier="medium", facts={"kind": kind, "numbers": [one, other]})


def chemistry(rng: random.Random, language: str) -> Item:
    """Ask for a molar mass or a formula."""
    if rng.random() < 0.5:
        formula = rng.choice(sorted(COMPOUNDS))
        mass = sum(MASSES[element] * count for element, count in COMPOUNDS[formula].items())
        masses = ", ".join(f"{element} {MASSES[element]}" for element in COMPOUNDS[formula])
        question = pick(
            language,
            f"What is the molar mass of {formula}? Take these masses in g/mol: {masses}.",
            f"{formula}的摩尔质量是多少？原子量（g/mol）取：{masses}。",
        )
        return Item("chemistry", question, f"{mass} g/mol", facts={"formula": formula})
    english, chinese, formula = rng.choice(NAMES)
    question = pick(language, f"What is the chemical formula of {english}?", f"{chinese}的化学式是什么？")
    return Item("chemistry", question, formula, human_tier="easy", facts={})


def choice(rng: random.Random, language: str) -> Item:
    """Ask for the letter of the one right option; the options stand in the question and in ``choices``."""
    english, options, chinese, others = rng.choice(CHOICES)
    stem, right = pick(language, english, chinese), list(others if language == ZH else options)
    shuffled = rng.sample(right, len(right))
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", shuffled, strict=True))
    letter = "ABCD"[shuffled.index(right[0])]
    return Item("choice", f"{stem}\n{listed}", letter, choices=tuple(shuffled), human_tier="easy", facts={"right": right[0]})


def dialogue(rng: random.Random, language: str) -> Item:
    """Ask a third thing of a sum that two turns have gone into."""
    start, gained, spent = rng.randrange(30, 90), rng.randrange(10, 30), rng.randrange(5, 25)
    turns = (
        (
            USER,
            pick(
                language,
                f"I have {start} stamps and get {gained} more. How many have I now?",
                f"我有{start}枚邮票，又得到{gained}枚。现在有多少枚？",
            ),
        ),
        (ASSISTANT, pick(language, f"You have {start + gained} stamps.", f"你有{start + gained}枚邮票。")),
        (USER, pick(language, f"I give {spent} of them away. How many are left?", f"我送出其中{spent}枚。还剩多少枚？")),
    )
    return Item("math", turns, str(start + gained - spent), human_tier="very_easy", facts={"numbers": [start, gained, spent]})


def planning(rng: random.Random, language: str) -> Item:
    """Ask for a plan, which no rule can judge."""
    return Item("planning", pick(language, *rng.choice(PLANS)), None)


def writing(rng: random.Random, language: str) -> Item:
    """Ask for a text, which no rule can judge."""
    return Item("writing", pick(language, *rng.choice(WRITING)), None)


def _term(factor: int, name: str) -> str:
    """Return a term with its sign, nothing where it is 0."""
    if factor == 0:
        return ""
    number = "" if abs(factor) == 1 and name else str(abs(factor))
    return f" {'+' if factor > 0 else '-'} {number}{name}"
