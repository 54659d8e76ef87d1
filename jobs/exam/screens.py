"""Text to be read, and mock screens of a phone to be acted on."""

import json
import random

from jobs.exam.canvas import GREY, Box, Canvas, per_thousand
from jobs.exam.item import Item, pick

LINES = {
    "Platform 7, departure 14:35": "第7站台，14:35发车",
    "Room 204 is closed today": "今天204室不开放",
    "Keep the door shut, please": "请随手关门",
    "Fresh bread from 6 to 11 a.m.": "新鲜面包，早上6点到11点",
    "Lost property: ask at desk 12": "失物招领请到12号柜台",
    "Tickets: 18 EUR, children 9 EUR": "门票18欧元，儿童9欧元",
    "Call Mr. Novak before Friday": "周五前请致电诺瓦克先生",
    "Speed limit 30 km/h": "限速每小时30公里",
    "No swimming beyond this point": "此处以外禁止游泳",
    "Meeting moved to 9:15": "会议改到9:15",
    "Handle with care, glass": "小心轻放，内有玻璃",
    "Bus 41 does not stop here": "41路公交车不停靠本站",
}
"""Lines of signs and notes in English and Chinese."""
SWITCHES = {
    "Wi-Fi": "无线网络",
    "Bluetooth": "蓝牙",
    "Airplane mode": "飞行模式",
    "Dark theme": "深色主题",
    "Location": "位置信息",
    "Battery saver": "省电模式",
    "Do not disturb": "勿扰模式",
    "Mobile data": "移动数据",
}
"""Switches of a settings screen in English and Chinese."""
WIDTH, HEIGHT = 400, 720
ROW, FIRST = 84, 170
"""Height of a row of settings and the top of the first, in pixels."""
_ON, _OFF = "#1f77b4", "#b8b8b8"


def ocr(rng: random.Random, language: str) -> Item:
    """Ask for one line of a sign, or for all of it."""
    lines = [pick(language, line, LINES[line]) for line in rng.sample(sorted(LINES), rng.randrange(2, 5))]
    canvas = Canvas(560, 60 + 70 * len(lines), "#fbf6e9")
    canvas.draw.rectangle((12, 12, 547, 47 + 70 * len(lines)), outline=GREY, width=3)
    for place, line in enumerate(lines):
        canvas.text((280, 65 + 70 * place), line, 28)
    place = rng.randrange(len(lines) + 1)
    if place == len(lines):
        question = pick(language, "Write down all the text of the sign, line by line.", "请逐行写出牌子上的全部文字。")
    else:
        question = pick(language, f"Write down line {place + 1} of the sign exactly.", f"请准确写出牌子上第{place + 1}行的文字。")
    truth = "\n".join(lines) if place == len(lines) else lines[place]
    words = pick(language, "A sign with this text:\n", "一块牌子，上面写着：\n") + "\n".join(lines)
    return Item("ocr", question, truth, (canvas.png(),), words, human_tier="very_easy", facts={"lines": lines})


def gui(rng: random.Random, language: str) -> Item:
    """Ask for the next action on a screen of settings: a switch to tap, or a text to type into the search field."""
    names = rng.sample(sorted(SWITCHES), 6)
    on = [rng.random() < 0.5 for _ in names]
    canvas, search, switches = _settings(names, on, language)
    elements = [(pick(language, "search field", "搜索框"), "", search)]
    state = pick(language, ", off, on", "，关，开").split(pick(language, ", ", "，"))[1:]
    elements += [(pick(language, name, SWITCHES[name]), state[is_on], box) for name, is_on, box in zip(names, on, switches, strict=True)]
    place = rng.randrange(len(elements))
    said, _, box = elements[place]
    action: dict[str, object] = {"action_type": "click", "box_2d": [per_thousand(box, canvas)]}
    if place == 0:
        name = rng.choice(sorted(set(SWITCHES) - set(names)))
        text = pick(language, name, SWITCHES[name])
        action = {"action_type": "input_text", "text": text, **{key: value for key, value in action.items() if key == "box_2d"}}
        task = pick(language, f"Search for “{text}”.", f"搜索“{text}”。")
    elif on[place - 1]:
        task = pick(language, f"Turn {said} off.", f"关闭{said}。")
    else:
        task = pick(language, f"Turn {said} on.", f"打开{said}。")
    how = pick(
        language,
        'Give the next action as one JSON object: {"action_type": "click" or "input_text", "text": only for input_text, "box_2d": '
        "[[x1,y1,x2,y2]] of the switch or field, in thousandths of the screen, 0 to 999}.",
        '请以一个JSON对象给出下一步操作：{"action_type": "click"或"input_text", "text": 仅用于input_text, "box_2d": 开关或输入框的'
        "[[x1,y1,x2,y2]]，坐标为屏幕宽高的千分比，0到999}。",
    )
    lines = [f"{said} {state} {per_thousand(box, canvas)}".replace("  ", " ") for said, state, box in elements]
    words = pick(language, "A settings screen with these elements and their boxes:\n", "设置界面，包含下列元素及其边界框：\n") + "\n".join(
        lines
    )
    truth = json.dumps(action, ensure_ascii=False)
    return Item("gui_action", f"{task}\n{how}", truth, (canvas.png(),), words, facts={"box": box, "on": on, "place": place})


def _settings(names: list[str], on: list[bool], language: str) -> tuple[Canvas, Box, list[Box]]:
    """Draw a screen of settings and return the boxes of its search field and of its switches, xyxy in pixels."""
    canvas = Canvas(WIDTH, HEIGHT, "#f4f4f6")
    canvas.draw.rectangle((0, 0, WIDTH, 64), fill="#33475b")
    canvas.text((24, 32), pick(language, "Settings", "设置"), 26, "lm", "#ffffff")
    search = (24, 86, 376, 138)
    canvas.draw.rectangle((24, 86, 375, 137), fill="#ffffff", outline=GREY, width=2)
    canvas.text((42, 112), pick(language, "Search settings", "搜索设置"), 20, "lm", GREY)
    boxes: list[Box] = []
    for place, (name, is_on) in enumerate(zip(names, on, strict=True)):
        top = FIRST + ROW * place
        canvas.draw.rectangle((24, top, 375, top + ROW - 14), fill="#ffffff")
        canvas.text((42, top + 35), pick(language, name, SWITCHES[name]), 22, "lm")
        box = (292, top + 16, 362, top + 54)
        canvas.draw.rounded_rectangle((292, top + 16, 361, top + 53), 18, fill=_ON if is_on else _OFF)
        knob = 327 if is_on else 295
        canvas.draw.ellipse((knob, top + 19, knob + 31, top + 50), fill="#ffffff")
        boxes.append(box)
    return canvas, search, boxes
