"""The page of a report in a real browser: it shows what the report says, all of it and nothing else, and reaches for nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests import reported
from tests.opened import Seen, chromium, draw_all, rows, show, watched

REPORT = reported.full()
SECTIONS = [
    "run",
    "funnel",
    "thresholds",
    "samples",
    "reasoning",
    "dead",
    "duplicates",
    "mix",
    "distributions",
    "planes",
    "concepts",
    "serving",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def seen(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with watched(browser) as found:
        show(found, tmp_path_factory.mktemp("page"), REPORT)
        yield found


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Seen]:
    with watched(browser) as found:
        yield found
        assert found.complaints == []
        assert [url for url in found.requests if not url.startswith("file://")] == []


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_page_reaches_for_nothing_and_complains_of_nothing(fresh: Seen, tmp_path: Path):
    page = show(fresh, tmp_path, REPORT)
    draw_all(page)
    for tab in page.get_by_role("tab").all():
        tab.click()
    for chart in page.locator(".chart").all():
        chart.hover()
    assert len(fresh.requests) == 1


def test_every_section_has_its_link_and_no_text_of_the_report_becomes_an_element(seen: Seen):
    ids = seen.page.eval_on_selector_all("main > section", "sections => sections.map(section => section.id)")
    links = seen.page.eval_on_selector_all("nav a", "links => links.map(link => link.getAttribute('href').slice(1))")
    assert ids == links == SECTIONS
    tags = set(seen.page.evaluate("[...document.querySelectorAll('main *')].map(element => element.localName)"))
    assert tags.isdisjoint({"script", "b i", "iframe", "i", "object", "style"})
    assert seen.page.locator("script").count() == 3
    assert seen.page.evaluate("[...document.images].filter(image => !image.src.startsWith('data:')).length") == 0
    assert (
        seen.page.evaluate("[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(a => a.startsWith('on'))") == []
    )


def test_the_four_doors_and_the_cost_are_those_of_the_report(seen: Seen):
    figures = seen.page.eval_on_selector_all(
        ".figure", "all => all.map(one => [one.querySelector('.name').textContent, one.querySelector('b').textContent])"
    )
    assert {name: number(rows_) for name, rows_ in figures} == REPORT["exits"]
    told = seen.page.locator("#run .facts").inner_text()
    for text in ("1 h 15 min", "240,111 (578.6 for each kept)", "captioner: Qwen2.5-Coder-1.5B", "55 min 20 s"):
        assert text in told
    assert seen.page.locator("#run pre").text_content() == REPORT["run"]["config"]


def test_every_step_and_every_reason_stands_in_the_table_of_its_funnel(seen: Seen):
    for funnel in REPORT["funnels"]:
        expected = []
        for place, step in enumerate(funnel["steps"], 1):
            doors = [(door, reason, n) for door in ("dropped", "merged", "dead") for reason, n in step[door].items()]
            expected.append([f"{place}{step['step']}", step["entered"], step["kept"], sum(n for *_, n in doors)])
            expected += [[f"{door} {reason}", "", "", n] for door, reason, n in doors]
        told = rows(seen.page.locator(f"[data-funnel={funnel['name']}] table"))
        assert [[row[0], *(number(cell) if cell else "" for cell in row[1:4])] for row in told] == expected


def test_the_sums_are_said_to_add_up_where_they_do(seen: Seen):
    said = seen.page.locator("#funnel [role=status]").all_text_contents()
    assert len(said) == 3
    assert all(text.startswith("All sums add up") for text in said)
    assert seen.page.locator(".alarm").count() == 0


def test_a_sum_that_does_not_add_up_is_announced_with_its_numbers(fresh: Seen, tmp_path: Path):
    report = reported.full()
    report["funnels"][0]["steps"][2]["kept"] -= 7
    report["exits"]["dead"] += 1
    page = show(fresh, tmp_path, report)
    assert "3 sums do not add up" in page.get_by_role("alert").inner_text()
    said = page.locator("#funnel [role=status]").first.inner_text()
    for text in (
        "991 entered, but 843 stayed and 141 left, which makes 984",
        "850 entered, but the step before it kept 843",
        "says 13 dead",
        "add up to 12",
    ):
        assert text in said


def test_the_slider_counts_as_the_raw_values_do(seen: Seen):
    for bar in REPORT["bars"]:
        panel = seen.page.locator(f"[data-bar='{bar['name']}']")
        slider, output, values = panel.locator("input[type=range]"), panel.locator("output"), reported.SCORES[bar["name"]]
        for place in (0, 3, len(bar["edges"]) // 2, len(bar["edges"]) - 1, bar["edges"].index(bar["threshold"])):
            edge = bar["edges"][place]
            slider.fill(str(place))
            would, now = (sum(v < limit if bar["side"] == "min" else v > limit for v in values) for limit in (edge, bar["threshold"]))
            text = output.text_content() or ""
            assert f": {would:,} of {len(values) + bar['unmeasured']:,} rows would leave here" in text
            difference = f"{'+' if would > now else '−'}{abs(would - now):,} against" if would != now else "no change against"
            assert (difference if edge != bar["threshold"] else "the threshold in force") in text
            assert slider.get_attribute("aria-valuetext") == text


def test_the_table_of_a_histogram_has_the_counts_of_its_bins(seen: Seen):
    for bar in REPORT["bars"]:
        told = [[number(cell) for cell in row[1:]] for row in rows(seen.page.locator(f"[data-bar='{bar['name']}'] details table"))]
        bins = zip(bar["kept"], bar["left_later"], bar["left_here"], strict=True)
        assert told == [list(bin_) for bin_ in bins if sum(bin_)]
    words = REPORT["distributions"][0]
    told = rows(seen.page.locator("[data-distribution=words] details table"))
    assert sum(number(row[1]) for row in told) == sum(words["kept"])
    assert sum(number(row[2]) for row in told) == sum(words["left"])
    assert "No value was measured" in seen.page.locator("[data-distribution=faces]").inner_text()


def test_the_line_of_a_threshold_stands_where_the_bars_part(fresh: Seen, tmp_path: Path):
    page = show(fresh, tmp_path, REPORT)
    draw_all(page)
    lines = "charts => charts.map(chart => chart.querySelectorAll('svg path[stroke=\"var(--text)\"]').length)"
    assert page.eval_on_selector_all("[data-bar] .chart", lines) == [1, 1, 1]
    page.locator("[data-bar='clip.min_score'] input").fill("3")
    assert page.eval_on_selector_all("[data-bar] .chart", lines) == [2, 1, 1]
    parts = page.eval_on_selector(
        "[data-bar='image.max_aspect'] .chart",
        """chart => {
            const bars = (name) => [...chart.querySelectorAll(`svg path[fill="var(--${name})"]`)];
            const box = (name) => bars(name).map((path) => path.getBoundingClientRect());
            const line = chart.querySelector('svg path[stroke="var(--text)"]').getBoundingClientRect();
            const [stay, leave] = [box("kept").map((b) => b.right), box("left").map((b) => b.x)];
            return [Math.max(...stay), line.x + line.width / 2, Math.min(...leave)];
        }""",
    )
    assert parts == pytest.approx([parts[1]] * 3, abs=2)


def test_a_group_shows_its_cards_letter_for_letter(seen: Seen):
    for place, group in enumerate(REPORT["gallery"]):
        seen.page.locator(f"[data-group='{place}']").click()
        assert seen.page.locator("[role=tabpanel]:not([hidden])").count() == 1
        told = seen.page.eval_on_selector_all(
            "[role=tabpanel]:not([hidden]) .card",
            """cards => cards.map(card => [card.dataset.place, card.querySelector('.door').textContent,
                                           [...card.querySelectorAll('.text')].map(text => text.textContent)])""",
        )
        assert told == [[card["place"], card["exit"], [text["text"] for text in card["texts"]]] for card in group["cards"]]
    failed = seen.page.locator("#group-4 .card").first
    assert REPORT["gallery"][4]["cards"][0]["error"] in failed.inner_text()
    assert REPORT["gallery"][4]["cards"][2]["into"] in seen.page.locator("#group-4 .card").nth(2).text_content()


def test_marks_lie_on_the_letters_they_are_about_and_differ_by_more_than_colour(seen: Seen):
    seen.page.locator("[data-group='0']").click()
    text = seen.page.locator("[data-text=caption] .text")
    marks = text.evaluate("text => [...text.children].map(mark => [mark.title, mark.textContent])")
    assert marks == [list(mark) for mark in reported.MARKS]
    lines = text.evaluate(
        "text => [...text.children].map(mark => getComputedStyle(mark).textDecorationLine + getComputedStyle(mark).borderBottomStyle)"
    )
    assert len(set(lines)) == 3


def test_boxes_lie_on_the_image_where_the_sample_says(seen: Seen):
    seen.page.locator("[data-group='0']").click()
    card = seen.page.locator("#group-0 .card").first
    image = card.locator("img").bounding_box()
    assert image
    for box, kind in zip(reported.BOXED["boxes"], ("truth", "answer"), strict=True):
        drawn = card.locator(f"rect.{kind}").evaluate(
            "box => { const b = box.getBoundingClientRect(); return [b.x, b.y, b.right, b.bottom]; }"
        )
        scale = image["width"] / 640
        expected = [
            image["x"] + box["x1"] * scale,
            image["y"] + box["y1"] * scale,
            image["x"] + box["x2"] * scale,
            image["y"] + box["y2"] * scale,
        ]
        assert drawn == pytest.approx(expected, abs=3)
    dashes = card.evaluate("card => ['truth', 'answer'].map(kind => getComputedStyle(card.querySelector(`rect.${kind}`)).strokeDasharray)")
    assert dashes[0] != dashes[1]


def test_a_card_without_an_image_says_so_and_every_image_that_is_shown_is_one(seen: Seen):
    seen.page.locator("[data-group='0']").click()
    cards = REPORT["gallery"][0]["cards"]
    assert seen.page.locator("#group-0 img").count() == sum(card["thumbnail"] is not None for card in cards)
    assert seen.page.locator("#group-0 .card", has_text="no image to show").count() == sum(card["thumbnail"] is None for card in cards)
    seen.page.evaluate("Promise.all([...document.querySelectorAll('#group-0 img')].map(image => image.decode()))")


def test_a_long_text_is_folded_until_it_is_wanted(seen: Seen):
    seen.page.locator("[data-group='0']").click()
    long = seen.page.locator("[data-text=thought]")
    assert not long.locator(".text").is_visible()
    assert "7,200 characters" in long.inner_text()
    long.locator("summary").click()
    assert long.locator(".text").is_visible()
    long.locator("summary").click()


def test_the_tables_of_the_other_sections_hold_what_the_report_holds(seen: Seen):
    dead = rows(seen.page.locator("#dead table"))
    assert [[*row[:3], number(row[3]), row[4]] for row in dead] == [list(one.values()) for one in REPORT["dead"]]
    language = [[row[0], number(row[2]), number(row[3])] for row in rows(seen.page.locator("[data-share=language] table"))]
    assert language == [*([name or "(none)", kept, left] for name, kept, left in REPORT["shares"][0]["values"]), ["all others", 0, 20]]
    plane = rows(seen.page.locator("[data-plane=size] details table"))
    assert sorted([number(row[2]), number(row[3])] for row in plane) == sorted(count[2:] for count in REPORT["planes"][0]["counts"])
    sizes = rows(seen.page.locator("#duplicates details table"))
    assert [number(row[1]) for row in sizes] == [n for n in REPORT["clusters"]["sizes"]["rows"] if n]
    assert seen.page.locator("#duplicates .contact").count() == 3
    concepts = seen.page.locator("#concepts").inner_text()
    for text in ("61.0 %", "23.0 %", "402,311", "91,234", "765,000"):
        assert text in concepts
    served = rows(seen.page.locator("#serving table").first)
    assert served[0] == ["Qwen2.5 <b>", "512", "240,111", "25,200", "55 min 20 s", "7.589", "6.485"]
    assert served[1][5:] == ["–", "–"]


def test_the_tables_of_reasoning_hold_what_the_report_holds(seen: Seen):
    tables = [rows(table) for table in seen.page.locator("#reasoning table").all()]
    told, reasoning = REPORT["reasoning"], REPORT["reasoning"]["pass_rates"]
    assert tables[0] == [
        [domain, *(f"{100 * one['passed'] / 480:.1f} %" for one in reasoning if one["domain"] == domain)]
        for domain in ("maths", "charts <b>", "计数")
    ]
    assert [[*row[:2], *map(number, (*row[2:5], *row[6:]))] for row in tables[1]] == [
        [one["domain"], one["model"], one["questions"], one["rollouts"], one["passed"], *one["histogram"]] for one in reasoning
    ]
    assert [[row[0], *map(number, row[2:])] for row in tables[2]] == [[one["domain"], *one["tiers"].values()] for one in told["tiers"]]
    assert [[*row[:2], *map(number, row[3:])] for row in tables[3]] == [list(one.values()) for one in told["verdicts"]]
    assert [number(row[2]) for row in tables[4]] == [7, 33, 21, 40, 301]
    assert [[row[0], number(row[1])] for row in tables[5]] == [["answer", 31], ["thought", 4]]


def test_the_counts_of_a_bin_lie_on_top_of_each_other_and_are_told_under_the_pointer(fresh: Seen, tmp_path: Path):
    counts = {"edges": [0.22, 1.22], "kept": [0, 5, 0], "left_later": [0, 3, 0], "left_here": [0, 2, 0], "unmeasured": 0}
    page = show(fresh, tmp_path, {**REPORT, "bars": [{**REPORT["bars"][0], **counts}]})
    draw_all(page)
    chart = page.locator("[data-bar] .chart")
    spans = chart.evaluate(
        """chart => ["kept", "later", "left"].map((name) => {
            const box = chart.querySelector(`svg path[fill="var(--${name})"]`).getBoundingClientRect();
            return [box.bottom, box.top];
        })"""
    )
    (floor, kept), (under_later, later), (under_left, left) = spans
    assert [under_later, under_left] == pytest.approx([kept, later], abs=0.5)
    one = (floor - left) / 10
    assert [floor - kept, kept - later, later - left] == pytest.approx([5 * one, 3 * one, 2 * one], abs=0.5)
    chart.hover()
    said = page.locator("[data-bar] .chart svg")
    for text in ("0.22 ≤ v < 1.22 cosine", "kept: 5", "left later: 3", "left here: 2"):
        expect(said).to_contain_text(text)


def test_where_two_verifiers_differ_is_told_pair_by_pair(seen: Seen):
    said = seen.page.locator("#reasoning p").all_inner_texts()
    assert "rule and math verify agree on 84 of 90 rollouts, 93.3 %." in said
    assert "math verify and judge agree on 5 of 5 rollouts, 100.0 %." in said
    table = seen.page.locator("#reasoning table", has=seen.page.get_by_text("Verdicts of rule and math verify"))
    assert rows(table) == [["right", "40", "2", "1"], ["wrong", "3", "44", "0"], ["undecided", "0", "0", "0"]]
