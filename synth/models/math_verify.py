"""math-verify (Hugging Face, Apache-2.0) in a child process that a deadline kills: ``python -m synth.models.math_verify`` is that child."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from synth.models.children import Children, Limits, Request, serve

EQUAL, DIFFERENT, UNPARSED, TOO_DEEP = "equal", "different", "unparsed", "too_deep"
LETTERS = tuple("ABCDEFGHIJ")


@dataclass(frozen=True)
class MathVerifySpec:
    """math-verify 0.9.0 over latex2sympy2-extended 1.11.0, and what a comparison may cost."""

    version: ClassVar[int] = 1

    name: str = "math-verify"
    weights: str = "math-verify==0.9.0 latex2sympy2-extended==1.11.0 antlr4-python3-runtime==4.13.2"
    limits: Limits = field(default_factory=Limits)
    slots: int = 2
    """Children of one process; more threads than that wait for each other. One takes 0.2 GB."""

    def load(self) -> "MathVerify":
        """Return a comparison whose children start when they are first needed."""
        return MathVerify(Children("synth.models.math_verify", self.limits, self.slots))


class MathVerify:
    """Compares by math-verify. Usable from any number of threads; ``close`` ends its processes, and so does the end of this one."""

    def __init__(self, children: Children) -> None:
        self.children = children

    def __enter__(self) -> "MathVerify":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the children."""
        self.close()

    def compare(self, truth: str, answer: str) -> str:
        """Return ``equal`` or ``different`` for two LaTeX expressions without dollars, each taken as a whole, or why there is no verdict.

        That is ``unparsed`` where one of them is no mathematics that math-verify reads, ``timeout``, ``out_of_memory``, ``too_deep`` or
        ``crashed``. Nothing is searched for within the text, no unit is taken off, and inequalities equal their intervals.
        """
        return self.children.ask({"truth": truth, "answer": answer, "whole": True})

    def extract_and_compare(self, truth: str, answer: str, *, extract: Sequence[str] = ("latex", "expr"), **options: Any) -> str:
        """Return what math-verify itself says of two texts that hold an answer somewhere, ``equal`` or ``different``, or ``timeout``, ...

        ``extract`` names what is searched for, of ``latex``, ``boxed`` (LaTeX, in boxes first), ``expr`` and ``string`` (choice letters);
        ``options`` go to ``math_verify.verify``.
        """
        return self.children.ask({"truth": truth, "answer": answer, "whole": False, "extract": list(extract), "options": options})

    def close(self) -> None:
        """End the children."""
        self.children.close()


class Comparison:
    """math-verify without its own deadlines, inside the child."""

    def __init__(self) -> None:
        import logging

        import latex2sympy2_extended
        from latex2sympy2_extended import latex2sympy2
        from math_verify import grader, parser

        logging.disable(logging.CRITICAL)
        self._grader: Any = grader
        self._parser: Any = parser
        let_pass(grader, parser, raising=latex2sympy2)
        bare = latex2sympy2_extended.NormalizationConfig(basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none")
        self._whole = [parser.LatexExtractionConfig(normalization_config=bare)]
        self._configs: dict[str, Any] = {
            "latex": parser.LatexExtractionConfig(),
            "boxed": parser.LatexExtractionConfig(boxed_match_priority=0),
            "expr": parser.ExprExtractionConfig(),
            "string": parser.StringExtractionConfig(),
        }

    def __call__(self, request: Request) -> str:
        """Return the verdict on one request. Raises ``MemoryError``."""
        try:
            return self._of_wholes(request) if request["whole"] else self._of_parts(request)
        except RecursionError:
            return TOO_DEEP

    def _of_wholes(self, request: Request) -> str:
        truth, answer = (self._parsed(f"${request[side]}$", self._whole, "no_fallback") for side in ("truth", "answer"))
        if not (truth and answer):
            return UNPARSED
        return self._verdict(truth, answer, {"allow_set_relation_comp": True})

    def _of_parts(self, request: Request) -> str:
        configs = [self._configs[name] for name in request["extract"]]
        truth, answer = (self._parsed(request[side], configs, "first_match") for side in ("truth", "answer"))
        return self._verdict(truth, answer, request["options"])

    def _parsed(self, text: str, configs: list[Any], fallback: str) -> list[Any]:
        return self._parser.parse(text, configs, fallback_mode=fallback, parsing_timeout=None)

    def _verdict(self, truth: list[Any], answer: list[Any], options: dict[str, Any]) -> str:
        return EQUAL if self._grader.verify(truth, answer, timeout_seconds=None, **options) else DIFFERENT


def let_pass(*catching: Any, raising: Any) -> None:
    """Have ``except Exception`` in the modules ``catching`` let ``MemoryError`` and ``RecursionError`` pass, which are no verdicts.

    math-verify catches everything and calls it wrong. What the parser, the module ``raising``, raises as a plain ``Exception``
    becomes a ``ValueError``, so that it is still caught.
    """
    passing = (MemoryError, RuntimeError)
    caught = (*(each for each in Exception.__subclasses__() if each not in passing), NotImplementedError)
    for module in catching:
        module.Exception = caught
    raising.Exception = ValueError


if __name__ == "__main__":
    sys.setrecursionlimit(3000)
    serve(Comparison(), sys.argv[1:])
