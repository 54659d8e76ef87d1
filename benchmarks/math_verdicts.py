"""Our verifier of maths against math-verify on the same pairs: ``python -m benchmarks.math_verdicts``.

Distinct pairs of a truth and an answer over 18 kinds, drawn from a seed, each judged once, by ours and then by math-verify itself (LaTeX,
plain expressions and choice letters, dollars around what is LaTeX) in one child. CPU-seconds are those of the process and its child, the
child's start among them where one was needed. The bar: 2,000 pairs a CPU-second.
"""

import argparse
import random
import resource
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from synth.models.children import Limits
from synth.models.math_verify import MathVerify, MathVerifySpec
from synth.verifiers.maths import MATH_VERIFY, Maths
from synth.verifiers.reward import Reward, Task

T = TypeVar("T")
Pair = tuple[str, str, str]
"""Kind, truth, answer."""
POLICIES = {
    "percent": "`10%` equals 10 and 0.1 on either side; math-verify's 0.1 is a decimal of its own",
    "unit": "another unit is another answer; math-verify takes units off",
    "scientific": "powers of ten are exact numbers; math-verify compares floats and whole numbers",
    "letter": "a letter in brackets is that letter; math-verify does not find it",
    "interval": "an inequality equals its interval both ways",
    "plain code": "`1e3`, `**`, `π` are read",
    "Chinese prose": "`答案是5` is read, and nothing is searched for in a sentence",
    "decimal": "a tolerance of 1e-6 relative, where math-verify rounds to 6 places",
}


def _integer(r: random.Random) -> tuple[str, str]:
    n = r.randint(-9999, 9999)
    return str(n), str(n + r.choice([0, 0, 1, -2, 10]))


def _thousands(r: random.Random) -> tuple[str, str]:
    n = r.randint(1000, 99_999_999)
    return str(n), f"{n + r.choice([0, 0, 1, 1000]):,}"


def _decimal(r: random.Random) -> tuple[str, str]:
    n = r.randint(1, 99999)
    return f"{n / 100:.2f}", r.choice([f"{n / 100:g}", f"{n / 100:.4f}", f"{(n + 1) / 100:.2f}", f"{n / 10:.2f}"])


def _fraction(r: random.Random) -> tuple[str, str]:
    a, b, k = r.randint(1, 60), r.randint(2, 60), r.randint(1, 4)
    return rf"\frac{{{a}}}{{{b}}}", r.choice(
        [f"{a}/{b}", rf"\dfrac{{{a * k}}}{{{b * k}}}", rf"\frac{{{b}}}{{{a + 1}}}", f"{a * k}/{b * k + 1}"]
    )


def _rounded(r: random.Random) -> tuple[str, str]:
    a, b = r.randint(1, 90), r.randint(2, 40)
    return rf"\frac{{{a}}}{{{b}}}", f"{a / b + r.choice([0, 0, 0.01]):.{r.choice([2, 8, 10])}f}"


def _mixed(r: random.Random) -> tuple[str, str]:
    whole, a, b = r.randint(1, 90), r.randint(1, 8), r.randint(9, 20)
    value = whole + Fraction(a, b)
    return rf"{whole}\frac{{{a}}}{{{b}}}", rf"\frac{{{value.numerator + r.choice([0, 0, 1])}}}{{{value.denominator}}}"


def _percent(r: random.Random) -> tuple[str, str]:
    n = r.randint(1, 999)
    return rf"{n}\%", r.choice([f"{n}%", f"{n}", f"{n / 100:g}", f"{n + 1}%"])


def _scientific(r: random.Random) -> tuple[str, str]:
    a, e = r.randint(11, 99), r.randint(2, 9)
    return rf"{a / 10:g}\times 10^{{{e}}}", r.choice(
        [str(a * 10 ** (e - 1)), rf"{a}\times 10^{{{e - 1}}}", rf"{a / 10:g}\times 10^{{{e + 1}}}"]
    )


def _radical(r: random.Random) -> tuple[str, str]:
    a, b = r.randint(2, 20), r.choice([2, 3, 5, 6, 7, 10, 11, 13])
    return rf"{a}\sqrt{{{b}}}", r.choice(
        [rf"\sqrt{{{a * a * b}}}", rf"{a}\sqrt{b}" if b < 10 else rf"{a} \sqrt{{{b}}}", rf"{b}\sqrt{{{a}}}"]
    )


def _polynomial(r: random.Random) -> tuple[str, str]:
    a, b = r.randint(1, 30), r.randint(1, 30)
    return f"x^2+{a + b}x+{a * b}", r.choice([f"(x+{a})(x+{b})", f"{a * b}+{a + b}x+x^2", f"(x+{a})(x-{b})", f"x^2+{a + b}x+{a * b + 1}"])


def _trigonometry(r: random.Random) -> tuple[str, str]:
    a, k = r.randint(2, 60), r.randint(1, 9)
    return rf"{2 * a}\sin({k}x)\cos({k}x)", r.choice([rf"{a}\sin({2 * k}x)", rf"{a}\cos({2 * k}x)", rf"{2 * a}\cos({k}x)\sin({k}x)"])


def _list(r: random.Random) -> tuple[str, str]:
    numbers = r.sample(range(-50, 50), r.randint(2, 4))
    other = r.choice([numbers, r.sample(numbers, len(numbers)), [*numbers[1:], numbers[0] + 1]])
    return ", ".join(map(str, numbers)), ", ".join(map(str, other))


def _point(r: random.Random) -> tuple[str, str]:
    a, b = r.sample(range(-60, 60), 2)
    return f"({a}, {b})", r.choice([f"({a},{b})", rf"\left({a}, {b}\right)", f"({b}, {a})", f"({a}, {b + 1})"])


def _interval(r: random.Random) -> tuple[str, str]:
    a, b = sorted(r.sample(range(-90, 90), 2))
    return f"[{a}, {b})", r.choice([f"[{a},{b})", f"({a}, {b})", f"[{a}, {b}]", rf"{a} \le x < {b}"])


LETTERS = ("{}", "({})", "{}.", "The answer is {}.", "{}. 42", "{}. 7 apples", "{}: none", "Answer: {}", r"\text{{{}}}", "{}. x > 3")


def _letter(r: random.Random) -> tuple[str, str]:
    one, other = r.choice("ABCD"), r.choice("ABCD")
    return one, r.choice(LETTERS).format(r.choice([one, other]))


def _unit(r: random.Random) -> tuple[str, str]:
    n, name = r.randint(1, 300), r.choice(["cm", "m", "kg", "s"])
    return rf"{n} \text{{ {name}}}", r.choice(["{0}", r"{0}\text{{ {1}}}", r"{0} \text{{ km}}", "{2}"]).format(n, name, n + 1)


def _code(r: random.Random) -> tuple[str, str]:
    a = r.randint(2, 90)
    return r.choice(
        [(f"x^2+{2 * a}x+{a * a}", f"(x+{a})**2"), (rf"{a}\pi", f"{a}π"), (str(a * 1000), f"{a}e3"), (rf"\sqrt{{{a}}}", f"sqrt({a})")]
    )


def _prose(r: random.Random) -> tuple[str, str]:
    n = r.randint(1, 2000)
    return str(n), r.choice(["答案是{}", "所以答案是{}。", "The answer is {}.", "The final answer is {}", "x = {}"]).format(
        n + r.choice([0, 0, 1])
    )


KINDS: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "integer": _integer, "thousands": _thousands, "decimal": _decimal, "fraction": _fraction, "rounded fraction": _rounded,
    "mixed number": _mixed, "percent": _percent, "scientific": _scientific, "radical": _radical, "polynomial": _polynomial,
    "trigonometry": _trigonometry, "list": _list,
    "point": _point, "interval": _interval, "letter": _letter, "unit": _unit, "plain code": _code, "Chinese prose": _prose,
}  # fmt: skip


def pairs(number: int, seed: int) -> list[Pair]:
    """Return ``number`` distinct pairs, the kinds in turns; a kind that has no more is passed over."""
    drawn, found = random.Random(seed), dict[Pair, None]()  # noqa: S311 - a corpus, no secret
    for turn in range(number * 40):
        kind = list(KINDS)[turn % len(KINDS)]
        found.setdefault((kind, *KINDS[kind](drawn)))
        if len(found) == number:
            break
    return list(found)


def cpu() -> float:
    """Return the CPU-seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(work: Callable[[MathVerify], list[T]]) -> tuple[list[T], float]:
    """Return what ``work`` returns and its CPU-seconds, its child's among them."""
    began = cpu()
    with MathVerifySpec(limits=replace(Limits(), calls=10**6, seconds=5.0), slots=1).load() as equivalence:
        done = work(equivalence)
    return done, cpu() - began


def dressed(text: str) -> str:
    """Return ``text`` in dollars where it is LaTeX and no sentence."""
    return f"${text}$" if any(sign in text for sign in "\\^([,") and "answer" not in text.lower() else text


def peer(equivalence: MathVerify, corpus: list[Pair]) -> list[bool]:
    """Return math-verify's verdicts; LaTeX stands in dollars, as its documentation asks for."""
    extract = ("latex", "expr", "string")
    found = [equivalence.extract_and_compare(dressed(truth), dressed(said), extract=extract) for _, truth, said in corpus]
    return [verdict == "equal" for verdict in found]


def matrices(number: int) -> list[Pair]:
    """Return pairs that no rule of ours reads."""
    written = r"\begin{%s}%d&1\\2&3\end{%s}"
    return [("matrix", written % ("pmatrix", n, "pmatrix"), written % ("bmatrix", n, "bmatrix")) for n in range(number)]


def report(corpus: list[Pair], ours: list[Reward], theirs: list[bool]) -> None:
    """Print agreement, disagreements by kind with an example, and how often ours fell back."""
    disagreed: dict[str, list[tuple[Pair, Reward, bool]]] = defaultdict(list)
    for pair, reward, equal in zip(corpus, ours, theirs, strict=True):
        if reward.value != float(equal):
            disagreed[pair[0]].append((pair, reward, equal))
    policy = sum(len(found) for kind, found in disagreed.items() if kind in POLICIES)
    rest = sum(map(len, disagreed.values())) - policy
    print(f"agreement {1 - (policy + rest) / len(corpus):.2%}; disagreements by policy {policy}, others {rest}")
    print(f"ours fell back to math-verify {sum(reward.by == MATH_VERIFY for reward in ours) / len(corpus):.2%}")
    for kind, found in disagreed.items():
        print(f"{kind}: {len(found)}; policy: {POLICIES.get(kind, 'none')}")
        for ways, count in Counter((reward.reason, equal) for _, reward, equal in found).items():
            pair, _, _ = next(each for each in found if (each[1].reason, each[2]) == ways)
            print(f"    {count} times ours {ways[0]}, theirs {'equal' if ways[1] else 'different'}: {pair[1]}  {pair[2]}")


def main() -> None:
    """Run both on the same pairs and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    corpus = pairs(options.pairs, options.seed)
    _, start = timed(lambda equivalence: [equivalence.compare("1", "1")])
    ours, our_seconds = timed(lambda equivalence: [Maths(equivalence=equivalence)(said, Task(truth)) for _, truth, said in corpus])
    theirs, their_seconds = timed(lambda equivalence: peer(equivalence, corpus))
    print(f"{len(corpus)} distinct pairs of {len({kind for kind, *_ in corpus})} kinds; start of a child {start:.2f} CPU-s")
    for name, seconds in (("ours", our_seconds), ("math-verify", their_seconds)):
        print(f"{name}: {seconds:.2f} CPU-s, {len(corpus) / seconds:.0f} pairs per CPU-s")
    report(corpus, ours, theirs)
    hard = matrices(200)
    fallen, seconds = timed(lambda equivalence: [Maths(equivalence=equivalence)(said, Task(truth)) for _, truth, said in hard])
    assert all(reward.by == MATH_VERIFY and reward.value == 1.0 for reward in fallen)
    print(f"a pair that falls back takes {(seconds - start) / len(hard) * 1000:.1f} CPU-ms (200 matrices)")


if __name__ == "__main__":
    main()
