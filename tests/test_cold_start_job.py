"""The cold start as a user runs it: every question and every rollout by one door, images where they belong, samples that parse."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import datasets
import pytest

from schemas.response import Response, parse
from tests import jobs, reasoning
from tests.scripted_server import Call, Reply, ScriptedServer

ROWS = [
    reasoning.question("What is 2 + 3?", "5"),
    reasoning.question("What is 12 + 30, sometimes?", "42"),
    reasoning.question("What is 1 + 1, if you never get it right?", "2"),
    reasoning.question("What is 4 + 4, untagged?", "8"),
    reasoning.question("What is 7 + 8, thinking endlessly?", "15"),
    reasoning.question("Write a poem about rain.", None),
    reasoning.question("What is 2 + 3?", "5"),
    reasoning.question("<image>How many are 3 + 6 in <image> together?", "9", images=[reasoning.picture(1), reasoning.picture(2)]),
    reasoning.question("The chart shows two bars of 5 + 6. What is their sum?", "11", seen="description"),
    {"question": None, "truth": "1", "domain": "math"},
    reasoning.question("<image>What is 1 + 2?", "3", images=["bm90IGFuIGltYWdl"]),
]


@dataclass(frozen=True)
class Ran:
    run: Path
    calls: list[Call]
    printed: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("cold")
    corpus = reasoning.write(folder / "questions", ROWS)
    calls: list[Call] = []

    def script(call: Call) -> Reply:
        calls.append(call)
        return reasoning.solve(call)

    with ScriptedServer(script) as server:
        flags = reasoning.cold_start_flags(corpus, folder / "out", server.endpoint, "--set=sft.nothink_share=1")
        done = reasoning.run("cold_start", *flags)
    return Ran(reasoning.run_folder(folder / "out", "cold_start"), calls, done.stdout)


def test_every_question_leaves_by_the_door_that_it_was_planted_for(ran: Ran):
    doors = reasoning.query(ran.run, "select coalesce(question, ''), exit, reason from ledger order by split_id, row")
    found = {(text, door, reason) for text, door, reason in doors}
    assert len(doors) == len(ROWS)
    assert found == {
        ("What is 2 + 3?", "kept", None),
        ("What is 2 + 3?", "merged", "exact_duplicate"),
        ("What is 12 + 30, sometimes?", "kept", None),
        ("What is 1 + 1, if you never get it right?", "dropped", "no_rollout_kept"),
        ("What is 4 + 4, untagged?", "dropped", "no_rollout_kept"),
        ("What is 7 + 8, thinking endlessly?", "dropped", "no_rollout_kept"),
        ("Write a poem about rain.", "kept", None),
        ("How many are 3 + 6 in  together?", "kept", None),
        ("The chart shows two bars of 5 + 6. What is their sum?", "kept", None),
        ("", "dead", "no_question"),
        ("What is 1 + 2?", "dead", "not_an_image"),
    }


def test_every_rollout_is_kept_with_the_reason_for_which_it_left(ran: Ran):
    reasons = reasoning.query(ran.run, "select domain, reason, forced, count(*) from rollouts group by all order by all")
    assert {(domain, reason, forced): n for domain, reason, forced, n in reasons} == {
        ("math", "missing_think", None): 4,
        ("math", "wrong_answer", None): 4 + 2,
        ("math", "forced_answer", "answer"): 4,
        ("math", "not_chosen", None): 3 + 1 + 3 + 3,
        ("math", None, None): 4,
        ("writing", "not_chosen", None): 3,
        ("writing", None, None): 1,
    }
    told = json.loads((ran.run / "funnel-rollouts.json").read_text())
    assert told[0]["entered"] == 8 * 4
    assert told[-1]["kept"] == 5


def test_a_cut_thought_is_ended_by_a_second_call_that_begins_with_it(ran: Ran):
    ((response,),) = reasoning.query(ran.run, "select distinct response from rollouts where forced = 'answer'")
    assert response == f"{reasoning.ENDLESS}</think><answer>It is <|begin_of_box|>15<|end_of_box|>.</answer>"
    ended = [call for call in ran.calls if call.body["messages"][-1]["role"] == "assistant"]
    assert [call.text for call in ended] == [f"{reasoning.ENDLESS}</think><answer>"] * 4
    assert {(call.body["continue_final_message"], call.body["n"]) for call in ended} == {(True, 1)}


def test_seeds_of_two_requests_lie_as_far_apart_as_they_have_choices(ran: Ran):
    asked = [call for call in ran.calls if call.text.startswith("What is 2 + 3?")]
    assert sorted((call.body["seed"], call.body["n"]) for call in asked) == [(0, 2), (2, 2)]
    assert {call.body["top_p"] for call in asked} == {1.0}


def test_pictures_go_to_the_model_where_their_markers_stand_and_lie_beside_the_sample(ran: Ran):
    (call,) = [call for call in ran.calls if len(call.images) == 2 and call.body["seed"] == 0]
    kinds = [part["type"] for part in call.body["messages"][-1]["content"]]
    assert kinds == ["image_url", "text", "image_url", "text"]
    stored = reasoning.query(ran.run, "select images[1].bytes, images[2].bytes from sft where len(images) = 2 and mode = 'thinking'")
    assert stored == [tuple(data for _, data in call.images)]


def test_samples_are_messages_in_both_styles_with_twins_that_do_not_think(ran: Ran):
    for table, style in (("sft", "glm45v"), ("sft_glm41v", "glm41v")):
        rows = reasoning.query(ran.run, f"select messages, mode, style, truth from {table}")
        assert len(rows) == 2 * 4
        for messages, mode, written, truth in rows:
            response = parse(messages[-1]["content"], style)
            assert isinstance(response, Response)
            assert written == style
            assert list(response.boxes) == ([truth] if truth else [])
            assert (mode == "nothink") == (response.thinking == "") == messages[-2]["content"].endswith("/nothink")


def test_a_described_picture_never_lies_among_the_samples(ran: Ran):
    assert reasoning.query(ran.run, "select count(*) from sft where seen = 'description'") == [(0,)]
    assert reasoning.query(ran.run, "select distinct seen, truth from described") == [("description", "11")]


def test_datasets_reads_the_samples_with_their_pictures(ran: Ran):
    rows = datasets.load_dataset("parquet", data_files=str(ran.run / "sft" / "*.parquet"), split="train", cache_dir=str(ran.run / "cache"))
    (pictured,) = [row for row in rows if len(row["images"]) == 2 and row["mode"] == "thinking"]
    assert [image.format for image in pictured["images"]] == ["JPEG", "JPEG"]
    assert sum(turn["content"].count("<image>") for turn in pictured["messages"]) == 2


def test_the_summary_adds_up_and_says_what_left(ran: Ran):
    assert "no_rollout_kept" in ran.printed
    assert "kept 5 questions" in ran.printed


def test_a_server_that_strips_the_tags_is_refused_before_the_first_question(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", ROWS[:2])
    with ScriptedServer(lambda _: reasoning.choices("one It is 1.")) as server:
        done = reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint), status=1)
    assert "skip_special_tokens" in done.stderr
    assert not (tmp_path / "out" / "cold_start").exists()


def test_a_server_that_takes_no_n_is_refused_before_its_missing_choices_are_lost(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", ROWS[:2])
    with ScriptedServer(lambda call: reasoning.choices(reasoning.solve_one(call))) as server:
        done = reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint), status=1)
    assert "--set solver.per_request=1" in done.stderr


def test_choices_that_a_server_leaves_out_are_dead_letters_and_no_silence(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", ROWS[:1])

    def stingy(call: Call) -> Reply:
        return reasoning.choices(reasoning.tagged("5")) if "2 + 3" in call.text else reasoning.solve(call)

    with ScriptedServer(stingy) as server:
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, "--set=limits.max_dead_ratio=1"))
    run = reasoning.run_folder(tmp_path / "out", "cold_start")
    found = reasoning.query(run, "select exit, reason, error from rollouts")
    assert found == [("dead", "solver_failed", "expected 2 choices, found 1")] * 2


def judged(honest: bool):
    """Return a script that solves, and judges: an honest judge tells other words apart, another lets everything pass."""

    def script(call: Call) -> Reply:
        if "response_format" not in call.body:
            return reasoning.solve(call)
        texts = {json.loads(found) for found in re.findall(r"<(?:first|second)>(.*?)</(?:first|second)>", call.text, re.DOTALL)}
        return reasoning.choices(json.dumps({"equivalent": not honest or texts == {"9", "nine"}, "reason": "so"}))

    return script


OPEN = [reasoning.question("How many are 4 + 5, in a word?", "nine", domain="trivia")]


def test_what_no_rule_can_decide_is_asked_of_a_judge(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", OPEN)
    with ScriptedServer(judged(honest=True)) as server:
        judge = [f"--set=judge.served.endpoint={server.endpoint}", "--set=judge.served.model=wise"]
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, *judge))
    run = reasoning.run_folder(tmp_path / "out", "cold_start")
    assert reasoning.query(run, "select distinct reward, rewarded_by from rollouts") == [(1.0, "judge")]


def test_a_judge_that_lets_its_canaries_pass_stops_the_run(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", OPEN)
    with ScriptedServer(judged(honest=False)) as server:
        judge = [f"--set=judge.served.endpoint={server.endpoint}", "--set=judge.served.model=gullible"]
        done = reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, *judge), status=1)
    assert "gullible" in done.stderr
    assert "wrong for certain" in done.stderr


def test_languages_stand_to_each_other_as_the_job_asks(tmp_path: Path):
    rows = [reasoning.question(f"What is {n} + {n}?", str(2 * n), language="zh" if n < 6 else "en") for n in range(40)]
    corpus = reasoning.write(tmp_path / "questions", rows)
    with ScriptedServer(reasoning.solve) as server:
        shares = "--set=languages.shares={zh: 0.5, en: 0.5}"
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, shares))
    run = reasoning.run_folder(tmp_path / "out", "cold_start")
    kept = dict(reasoning.query(run, "select language, count(*) from ledger where exit = 'kept' group by all"))
    assert kept["zh"] == 6
    assert 2 <= kept["en"] <= 12
    assert reasoning.query(run, "select distinct reason from ledger where exit = 'dropped'") == [("language_share",)]


def test_the_model_to_be_trained_says_what_is_too_easy_and_too_hard(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", ROWS[:3])
    with ScriptedServer(reasoning.solve) as server:
        base = [f"--set=base.served.endpoint={server.endpoint}", "--set=base.served.model=small"]
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, *base))
    run = reasoning.run_folder(tmp_path / "out", "cold_start")
    found = reasoning.query(run, "select question, reason, pass_rate, n_samples, n_correct, tier from ledger order by row")
    assert found == [
        ("What is 2 + 3?", "too_easy", 1.0, 4, 4, "very_easy"),
        ("What is 12 + 30, sometimes?", None, 0.5, 4, 2, "medium"),
        ("What is 1 + 1, if you never get it right?", "too_hard", 0.0, 4, 0, "very_hard"),
    ]
    assert reasoning.query(run, "select count(*), count(*) filter (exit = 'kept') from graded") == [(12, 6)]


def test_one_worker_and_two_write_the_same_bytes(tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", ROWS)
    trees = []
    with ScriptedServer(reasoning.solve) as server:
        for workers, more in ((1, ()), (2, ("--direct_running_mode=multi_processing", "--direct_num_workers=2"))):
            output = tmp_path / f"out-{workers}"
            reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, output, server.endpoint, *more))
            run = reasoning.run_folder(output, "cold_start")
            trees.append({name: found for name, found in jobs.tree(run).items() if name.endswith(".parquet")})
    seconds = {name for name in trees[0] if name.split("/")[0] in ("rollouts",)}  # they hold how long each answer took
    assert {name: found for name, found in trees[0].items() if name not in seconds} == {
        name: found for name, found in trees[1].items() if name not in seconds
    }


def test_good_rollouts_of_a_checkpoint_are_judged_beside_or_in_place_of_new_ones(tmp_path: Path):
    brought = [reasoning.tagged("42", "A checkpoint of mine thought so, and wrote it down."), reasoning.tagged("41"), "no tags"]
    corpus = reasoning.write(tmp_path / "questions", [{**ROWS[1], "responses": brought, "responses_by": "checkpoint@300"}])
    with ScriptedServer(reasoning.solve) as server:
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, "--set=rollouts=0"))
    run = reasoning.run_folder(tmp_path / "out", "cold_start")
    found = reasoning.query(run, "select model, rollout, exit, reason from rollouts order by rollout")
    assert found == [
        ("checkpoint@300", 0, "kept", None),
        ("checkpoint@300", 1, "dropped", "wrong_answer"),
        ("checkpoint@300", 2, "dropped", "missing_think"),
    ]
    assert reasoning.query(run, "select distinct model from sft") == [("checkpoint@300",)]
