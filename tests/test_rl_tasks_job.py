"""RL tasks as a user makes them: each planted fault by its own reason, grades in two stages, a truth that contradicts all set apart."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import reasoning
from tests.scripted_server import Call, Reply, ScriptedServer

LONG = "A farmer has seventeen sheep in the valley and buys five more at the market on Monday; how many sheep are there now, 17 + 5"
BARKS = {"choices": ["a cat", "a dog", "a cow"], "truth": "B"}
SPIDER = "How many legs does a healthy adult spider have, 4 + 4 in total?"
ROWS = [
    reasoning.question("What is 2 + 3?", "5"),
    reasoning.question("What is 12 + 30, sometimes?", "42"),
    reasoning.question("What is 1 + 1, if you never get it right?", "2"),
    reasoning.question("What is 6 + 1, by a label that is wrong?", "8"),
    reasoning.question(LONG + "?", "22"),
    reasoning.question(LONG + " in all?", "22", human_tier="hard"),
    reasoning.question(LONG.replace("seventeen", "eighteen").replace("17", "18") + "?", "23"),
    reasoning.question(SPIDER, "8"),
    reasoning.question("<image>How many are 3 + 6 here?", "9", images=[reasoning.picture(3)]),
    reasoning.question("Write a poem about rain.", None),
    {**reasoning.question("Which animal barks at 1 + 1?", "B", domain="vqa"), **BARKS},
    {**reasoning.question("Which animal of the three gives the answer away, 1 + 1?", "B", domain="vqa"), **BARKS},
    {**reasoning.question("Which animal meows at 2 + 1?", "D", domain="vqa"), "choices": ["a cat", "a dog"]},
    {**reasoning.question("Which of them fly?", "C", domain="vqa"), "choices": ["a crow", "a swan", "both of these"]},
]
BENCHMARK = [
    reasoning.question(SPIDER.replace(",", ""), "8"),
    reasoning.question("<image>What colour is the roof?", "red", images=[reasoning.picture(3)], domain="vqa"),
]


def script(call: Call) -> Reply:
    text = call.text
    if "Options:" in text:
        return reasoning.choices(
            "Is it a dog that barks at 1 + 1?" if "of the three" in text else "What kind of animal barks at 1 + 1 visitors?"
        )
    if "barks" in text and "Repeat" not in text:
        return reasoning.choices(*(reasoning.tagged("a dog") for _ in range(call.body["n"])))
    return reasoning.solve(call)


@dataclass(frozen=True)
class Ran:
    run: Path
    calls: list[Call]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("tasks")
    corpus, manifest = reasoning.write(folder / "questions", ROWS), reasoning.write(folder / "benchmark", BENCHMARK, "exam")
    calls: list[Call] = []

    def noted(call: Call) -> Reply:
        calls.append(call)
        return script(call)

    with ScriptedServer(noted) as server:
        reasoning.run("rl_tasks", *reasoning.rl_flags(corpus, folder / "out", server.endpoint, f"--set=benchmarks={manifest}"))
    return Ran(reasoning.run_folder(folder / "out", "rl_tasks"), calls)


def test_every_question_leaves_by_the_door_that_it_was_planted_for(ran: Ran):
    found = reasoning.query(ran.run, "select row, split_id, exit, reason from ledger")
    assert len(found) == len(ROWS)
    assert Counter((door, reason) for _, _, door, reason in found) == {
        ("kept", None): 6,
        ("merged", "near_duplicate_question"): 1,
        ("dropped", "benchmark_text"): 1,
        ("dropped", "benchmark_image"): 1,
        ("dropped", "no_verifier"): 1,
        ("dropped", "answer_in_question"): 1,
        ("dropped", "truth_is_no_choice"): 1,
        ("dropped", "open_option"): 1,
        ("dropped", "suspect_label"): 1,
    }


def test_a_task_of_a_benchmark_is_named_with_it(ran: Ran):
    named = reasoning.query(ran.run, "select reason, benchmark from ledger where benchmark is not null order by reason")
    assert [(reason, name.split(":")[0]) for reason, name in named] == [("benchmark_image", "exam"), ("benchmark_text", "exam")]


def test_of_near_duplicates_the_one_that_people_have_graded_stays_and_other_numbers_are_another_question(ran: Ran):
    kept = reasoning.query(
        ran.run, "select question, human_tier, duplicate_count from ledger where question like 'A farmer%' and exit = 'kept'"
    )
    assert sorted(kept) == sorted([(f"{LONG} in all?", "hard", 1), (ROWS[6]["question"], None, None)])


def test_a_choice_is_asked_without_its_options_and_says_what_it_was(ran: Ran):
    ((question, truth, before, wrong, by),) = reasoning.query(
        ran.run,
        "select question, truth, rewritten_from, distractors, rewritten_by from ledger where rewritten_by is not null and exit = 'kept'",
    )
    assert question == "What kind of animal barks at 1 + 1 visitors?"
    assert (truth, wrong, by) == ("a dog", ["a cat", "a cow"], "scripted")
    assert before == "Which animal barks at 1 + 1?"
    ((prompt, reward, extra),) = reasoning.query(ran.run, "select prompt, reward_model, extra_info from rl where domain = 'vqa'")
    assert prompt == [{"role": "user", "content": question}]
    assert reward == {"style": "rule", "ground_truth": "a dog"}
    assert (extra["verifier"], extra["answer"]) == ("vqa", "a dog")


def test_grades_are_counted_for_each_model_and_asked_on_where_it_matters(ran: Ran):
    passes = dict(reasoning.query(ran.run, "select question, passes from ledger where passes is not null"))
    counted = {text: [(p["model"], p["n"], p["correct"]) for p in found] for text, found in passes.items()}
    assert counted["What is 2 + 3?"] == [("scripted@one", 2, 2), ("scripted@two", 2, 2)]
    assert counted["What is 12 + 30, sometimes?"] == [("scripted@one", 6, 3), ("scripted@two", 6, 3)]
    assert counted["What is 1 + 1, if you never get it right?"] == [("scripted@one", 6, 0), ("scripted@two", 6, 0)]
    tiers = dict(reasoning.query(ran.run, "select question, tier from ledger where exit = 'kept'"))
    assert tiers["What is 2 + 3?"] == "very_easy"
    assert tiers["What is 12 + 30, sometimes?"] == "medium"
    assert tiers["What is 1 + 1, if you never get it right?"] == "very_hard"


def test_a_label_that_both_models_contradict_goes_to_the_audit_and_scattered_wrong_answers_do_not(ran: Ran):
    assert reasoning.query(ran.run, "select question, truth, other_answer, other_votes from audit") == [(ROWS[3]["question"], "8", "7", 12)]
    assert reasoning.query(ran.run, "select hopeless from ledger where question like '%never%'") == [("too_hard",)]


def test_nobody_is_asked_about_what_leaves_without_a_model(ran: Ran):
    asked = [call.text for call in ran.calls]
    assert not any(SPIDER in text or "poem" in text for text in asked)


def test_the_funnels_add_up_to_the_rows(ran: Ran):
    graded = json.loads((ran.run / "funnel-graded.json").read_text())
    ((rows, kept),) = reasoning.query(ran.run, "select count(*), count(*) filter (exit = 'kept') from graded")
    assert (graded[0]["entered"], graded[-1]["kept"]) == (rows, kept)


def test_a_question_that_becomes_a_benchmarks_by_its_rewriting_leaves_too(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", [ROWS[10]])
    manifest = reasoning.write(tmp_path / "benchmark", [reasoning.question("What kind of animal barks at 1 + 1 visitors", "a dog")], "exam")
    with ScriptedServer(script) as server:
        reasoning.run("rl_tasks", *reasoning.rl_flags(corpus, tmp_path / "out", server.endpoint, f"--set=benchmarks={manifest}"))
    run = reasoning.run_folder(tmp_path / "out", "rl_tasks")
    ((reason, step, named),) = reasoning.query(run, "select reason, step, benchmark from ledger")
    assert (reason, step) == ("benchmark_text", "Drop rewritten questions that stand in a benchmark")
    assert named.startswith("exam:")


def test_a_choice_that_nobody_rewrites_is_judged_by_letter_and_option(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", [ROWS[10]])

    def letters(call: Call) -> Reply:
        said = (reasoning.tagged("B) a dog") for _ in range(call.body.get("n", 1)))
        return reasoning.choices(*said) if "barks" in call.text else script(call)

    with ScriptedServer(letters) as server:
        reasoning.run("rl_tasks", *reasoning.rl_flags(corpus, tmp_path / "out", server.endpoint, "--set=rewriter=null"))
    run = reasoning.run_folder(tmp_path / "out", "rl_tasks")
    ((extra, rate),) = reasoning.query(run, "select extra_info, pass_rate from rl")
    assert rate == 1.0
    assert (extra["verifier"], json.loads(extra["verifier_args"])) == ("choice", {"choices": BARKS["choices"]})


def test_without_a_model_to_grade_by_the_job_is_refused(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", ROWS[:1])
    done = reasoning.run("rl_tasks", f"--input={corpus}", f"--output={tmp_path}/out", "--set=rewriter=null", status=2)
    assert "'graders' names no model" in done.stderr


def test_a_benchmark_that_cannot_be_read_in_full_stops_the_run(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", ROWS[:1])
    manifest = reasoning.write(tmp_path / "benchmark", [{"question": None, "truth": "1", "domain": "math"}], "exam")
    with ScriptedServer(script) as server:
        done = reasoning.run(
            "rl_tasks", *reasoning.rl_flags(corpus, tmp_path / "out", server.endpoint, f"--set=benchmarks={manifest}"), status=1
        )
    assert "is a benchmark and cannot be read in full" in done.stderr
