"""What the report of a run over questions counts: of the questions, and of the rollouts that are nested on them."""

from collections.abc import Mapping, Sequence

from filters.question_rules import QuestionRules
from filters.rewards import PassBand, RewardAtLeast
from pipelines.pairs.told import bar
from pipelines.questions.judging import PASSED
from pipelines.report.measured import METRICS
from pipelines.report.metrics import Bar, Told
from pipelines.report.telling import Telling
from schemas import columns as c
from schemas import questions as q

_COUNTED = ("question_chars", "truth_chars", "image_count", "pass_rate", "duplicate_count")
_OF_ROLLOUTS = ("reward", "thinking_chars", "response_chars", "completion_tokens", "answer_seconds")
_LABELS = (
    (q.DOMAIN.name, "Domain"),
    (c.LANGUAGE.name, "Language"),
    (q.TIER.name, "Difficulty"),
    (q.SEEN.name, "What the model had before it"),
    (c.SOURCE_LICENSE.name, "Licence"),
    (c.CORPUS.name, "Corpus"),
    (q.HUMAN_TIER.name, "Difficulty by people"),
    (q.BENCHMARK.name, "Benchmark question that it is"),
)
_LABELS_OF_ROLLOUTS = (
    (q.DOMAIN.name, "Domain"),
    (q.MODEL.name, "Model"),
    (c.FINISH_REASON.name, "How responses ended"),
    (q.FORCED.name, "What was forced"),
    (q.REWARDED_BY.name, "Who decided"),
    (q.REWARD_REASON.name, "What they said"),
)


def telling(seed: int, of_questions: Sequence[Bar], of_rollouts: Mapping[str, RewardAtLeast]) -> Telling:
    """Return what is told of a run; ``of_rollouts`` are the nested columns, each with the rule that its rewards are held against."""
    questions = Told(tuple(of_questions), tuple(METRICS[name] for name in _COUNTED), _LABELS)
    metrics = tuple(METRICS[name] for name in _OF_ROLLOUTS)
    nested = {name: Told((_passed(rule),), metrics, _LABELS_OF_ROLLOUTS, verdicts=True) for name, rule in of_rollouts.items()}
    return Telling({"ledger": questions, **nested}, seed)


def bars(step: str, rule: QuestionRules) -> list[Bar]:
    """Return the thresholds of ``rule`` at ``step``."""
    asked = ("short_question", "long_question", "empty_truth", "long_truth")
    return [
        bar("questions.min_chars", "question_chars", step, asked[0], "min", rule.min_chars),
        bar("questions.max_chars", "question_chars", step, asked[1], "max", rule.max_chars, asked[:1]),
        bar("questions.max_truth_chars", "truth_chars", step, asked[3], "max", rule.max_truth_chars, asked[:3]),
        bar("questions.max_images", "image_count", step, "many_images", "max", rule.max_images, asked),
    ]


def band(step: str, rule: PassBand) -> list[Bar]:
    """Return both ends of ``rule`` at ``step``."""
    return [
        bar("band.min_rate", "pass_rate", step, "too_hard", "min", rule.min_rate),
        bar("band.max_rate", "pass_rate", step, "too_easy", "max", rule.max_rate, ("too_hard",)),
    ]


def _passed(rule: RewardAtLeast) -> Bar:
    return bar("rewards.min_reward", "reward", PASSED, "wrong_answer", "min", rule.min_reward, ("verifier_timeout", "no_verdict"))
