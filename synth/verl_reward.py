"""Rewards for verl from our verifiers: ``custom_reward_function.path=synth/verl_reward.py custom_reward_function.name=compute_score``.

The tasks in ``rl/`` say themselves by which verifier they are judged (``extra_info.verifier``), so one function serves every domain.
"""

import functools
import json
from collections.abc import Mapping
from typing import Any

from schemas.response import Response, Style, parse
from synth.models.math_verify import MathVerifySpec
from synth.verifiers.domains import verifiers_by_domain
from synth.verifiers.maths import Maths
from synth.verifiers.reward import Reward, Task, Verifier


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any] | None = None, style: Style = "glm45v", **_: Any
) -> dict[str, Any]:
    """Return ``score`` in [0, 1], ``reason`` and ``by`` for one response, as verl's reward managers read them.

    A response that breaks the format earns nothing, and so does one that no rule can judge: reinforcement learning needs a number
    (paper 5.2). Raises ``KeyError`` for a task that names no verifier that we have.
    """
    info = extra_info or {}
    verifier = _verifiers()[info.get("verifier") or data_source]
    choices = tuple(json.loads(info.get("verifier_args") or "{}").get("choices") or ())
    found = parse(solution_str, style)
    if not isinstance(found, Response):
        return _score(Reward(0.0, found.reason, "format"))
    if len(found.boxes) != 1:
        return _score(Reward(0.0, "several_boxes" if found.boxes else "no_box", "format"))
    return _score(verifier(found.boxes[0], Task(ground_truth, info.get("question") or "", choices)))


def _score(reward: Reward) -> dict[str, Any]:
    return {"score": reward.value or 0.0, "reason": reward.reason, "by": reward.by}


@functools.cache
def _verifiers() -> Mapping[str, Verifier]:
    return verifiers_by_domain(Maths(equivalence=MathVerifySpec().load()))
