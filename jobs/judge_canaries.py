"""Whether a judge can be trusted: ``python -m jobs.judge_canaries --weights smollm2``, or ``--endpoint http://HOST:8000/v1``.

It is asked about answers of which the right verdict is known, with the canaries that every batch has: answers that are wrong for certain.
A judge that lets too many of them pass is refused here as it is in a run.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from schemas.weights import path_of
from synth.answers import AnswerStore
from synth.chat import EMBEDDED
from synth.endpoint import Served
from synth.judge import JudgeSpec
from synth.models.embedded import serve
from synth.verifiers.judge import JudgeRefused
from synth.verifiers.reward import Reward, Task


def main(argv: Sequence[str] | None = None) -> int:
    """Ask the judge about the pairs of a file; returns 0 where it is trusted, 1 where it is refused."""
    parser = argparse.ArgumentParser(prog="python -m jobs.judge_canaries", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("pairs", help="lines of JSON with question, truth, answer and the reward that is right", type=Path)
    parser.add_argument("--endpoint", default=EMBEDDED, help="address of an OpenAI-compatible server; the embedded one by default")
    parser.add_argument("--weights", default="smollm2", help="what the embedded server serves")
    parser.add_argument("--model", default="", help="name of the model at the endpoint")
    parser.add_argument("--limit", type=int, default=16, help="pairs that are asked about")
    options = parser.parse_args(argv)
    rows = [json.loads(line) for line in options.pairs.read_text(encoding="utf-8").splitlines()][: options.limit]
    with ExitStack() as stack:
        served = Served(endpoint=options.endpoint, weights=options.weights, model=options.model)
        if served.is_embedded:
            served = served.at(stack.enter_context(serve(path_of(options.weights))))
        spec = JudgeSpec(served)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        judge = spec.resolved().load(AnswerStore(folder, spec.digest))
        stack.callback(judge.close)
        try:
            judged = judge.judge("canaries", [(row["answer"], Task(row["truth"], row.get("question", ""))) for row in rows])
        except JudgeRefused as refusal:
            print(f"refused: {refusal}")
            return 1
    told = [one for one in judged.outcomes if isinstance(one, Reward) and one.value is not None]
    right = sum(isinstance(one, Reward) and one.value == row["reward"] for one, row in zip(judged.outcomes, rows, strict=True))
    print(f"trusted: {judged.canaries.passed} of {judged.canaries.asked} canaries passed")
    print(f"right in {right} of {len(rows)} pairs, of which it gave a verdict on {len(told)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
