"""Simulated learners for ``benchmarks.curriculum``: skills that grow from groups of rollouts that are neither all right nor all wrong."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DOMAINS = ("chart", "grounding", "math", "ocr")
TOPICS_A_DOMAIN = 5
PROMPTS_A_TOPIC = 120
HELD_OUT_A_TOPIC = 60
SLOPE = 1.5
"""Steepness of the logistic curve from skill less difficulty to pass rate."""
SPREAD = 1.2
"""Standard deviation of difficulty, between the topics and within each."""
FIRST_SKILL = -0.8
STEP = 0.75
"""Skill that a batch of groups at a pass rate of one half would add to a topic, were it all of that topic, times 4."""
SHARED_MISTAKE = 0.3
"""Share of the answers that miss the truth which are one and the same mistake: the one that a wrong reference agrees with."""


@dataclass(frozen=True, slots=True)
class Learner:
    """What is wrong with a learner or its data."""

    name: str
    wrong_truths: float = 0.0
    """Share of the prompts whose reference is a common mistake: it is rewarded, and right answers are not."""
    forgets: float = 0.0
    """Share of what it learnt of a topic that it loses in a full update, all groups half right, that has nothing of that topic."""


LEARNERS = (Learner("plain"), Learner("wrong references", wrong_truths=0.1), Learner("forgetful", forgets=0.05))


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Prompts to train on and tasks to be tested on, both of the same topics; arrays of shape (prompts,) or (tasks,)."""

    topic: Ints
    difficulty: Floats
    wrong_truth: npt.NDArray[np.bool_]
    task_topic: Ints
    task_difficulty: Floats


def make_world(learner: Learner, rng: np.random.Generator) -> World:
    """Return prompts and tasks of 20 topics, 5 in each domain, whose difficulties are normal about the topic's."""
    topics = len(DOMAINS) * TOPICS_A_DOMAIN
    middles = rng.normal(0, SPREAD, topics)
    topic, task_topic = np.repeat(np.arange(topics), PROMPTS_A_TOPIC), np.repeat(np.arange(topics), HELD_OUT_A_TOPIC)
    difficulty, task_difficulty = (middles[of] + rng.normal(0, SPREAD, len(of)) for of in (topic, task_topic))
    return World(topic, difficulty, rng.random(len(topic)) < learner.wrong_truths, task_topic, task_difficulty)


def pass_rates(skill: Floats, topic: Ints, difficulty: Floats) -> Floats:
    """Return the chance to answer with the truth, logistic in skill less difficulty, as in item response theory."""
    return 1 / (1 + np.exp(-SLOPE * (skill[topic] - difficulty)))


def rewarded(world: World, skill: Floats, prompts: Ints) -> Floats:
    """Return the chance that a rollout at each of ``prompts`` is rewarded, right or wrong as the reference is."""
    true = pass_rates(skill, world.topic[prompts], world.difficulty[prompts])
    return np.where(world.wrong_truth[prompts], SHARED_MISTAKE * (1 - true), true)


def held_out(world: World, skill: Floats) -> float:
    """Return the mean pass rate on the held-out tasks, whose references are right."""
    return float(pass_rates(skill, world.task_topic, world.task_difficulty).mean())


def update(learner: Learner, world: World, skill: Floats, prompts: Ints, share: Floats, groups: int) -> Floats:
    """Return the skills after training on groups at ``prompts`` of which ``share`` was rewarded, both of shape (trained,).

    A group adds p (1 - p) to its topic, the size of its advantages in GRPO: nothing when all are right or all are wrong. Where the
    reference is wrong it takes that away. Forgetting goes by how far an update moves, so many small ones forget no more. ``groups`` is
    the size of a batch, by which steps are scaled whatever came of it.
    """
    signal = share * (1 - share) * np.where(world.wrong_truth[prompts], -1.0, 1.0) * 4 / groups
    gained = np.bincount(world.topic[prompts], signal, len(skill)) * STEP
    taught = np.bincount(world.topic[prompts], signal != 0, len(skill)) > 0
    lost = learner.forgets * np.abs(signal).sum() * (skill - FIRST_SKILL)
    return skill + gained - np.where(taught, 0.0, lost)
