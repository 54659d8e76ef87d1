"""The value of an expression where its variables have numbers: exact while that is possible, else floating point."""

import cmath
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from synth.verifiers.expression import Node

LARGEST_POWER, LARGEST_BITS, LARGEST_FACTORIAL = 512, 4096, 170
"""Exact powers up to here; what is larger has no value (ours)."""
_CONSTANTS: Mapping[str, Any] = {"pi": math.pi, "e": math.e, "i": 1j, "infty": math.inf}


class NoValue(Exception):
    """The expression has no value at this point."""


def _cot(x: complex) -> complex:
    return 1 / cmath.tan(x)


_FUNCTIONS: Mapping[str, Any] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "cot": _cot, "sec": lambda x: 1 / cmath.cos(x), "csc": lambda x: 1 / cmath.sin(x),
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "asin": cmath.asin, "acos": cmath.acos, "atan": cmath.atan,
    "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh, "exp": cmath.exp, "ln": cmath.log, "log": cmath.log10, "lg": cmath.log10,
}  # fmt: skip


class Evaluation:
    """The value of an expression at a point, and the largest number on the way to it."""

    def __init__(self, point: Mapping[str, Fraction]) -> None:
        self.point = point
        self.scale = 0.0

    def of(self, node: Node) -> Any:
        """Return the value, a ``Fraction`` or ``int`` while all is exact, else float or complex. Raises ``NoValue``."""
        try:
            value = self._of(node)
        except (ArithmeticError, ValueError, OverflowError) as fault:
            raise NoValue from fault
        return value

    def _of(self, node: Node) -> Any:
        operation, *operands = node
        if operation == "n":
            return operands[0]
        if operation == "v":
            return self.point[operands[0]]
        if operation == "c":
            return _CONSTANTS[operands[0]]
        if operation == "f":
            value = _FUNCTIONS[operands[0]](complex(self._of(operands[1])))
        else:
            value = _OPERATIONS[operation](*map(self._of, operands))
        if not isinstance(value, int | Fraction):
            value = complex(value)
            if not cmath.isfinite(value) and not (operation == "neg" or value in (math.inf, -math.inf)):
                raise NoValue
            value = value.real if abs(value.imag) <= 1e-13 * abs(value) else value
            self.scale = max(self.scale, abs(value) if abs(value) != math.inf else 0)
        elif value.numerator.bit_length() > LARGEST_BITS or value.denominator.bit_length() > LARGEST_BITS:
            raise NoValue
        return value


def _divided(a: Any, b: Any) -> Any:
    return Fraction(a) / b if isinstance(a, int | Fraction) and isinstance(b, int | Fraction) else a / b


def _raised(a: Any, b: Any) -> Any:
    if isinstance(b, Fraction) and b.denominator == 1:
        b = int(b)
    if isinstance(a, int | Fraction) and isinstance(b, int):
        if abs(b) > LARGEST_POWER or max(a.numerator.bit_length(), a.denominator.bit_length()) * abs(b) > LARGEST_BITS:
            raise NoValue
        return Fraction(a) ** b
    return _real_power(a, b)


def _real_power(a: Any, b: Any) -> Any:
    """Return a power; one of a negative number by a fraction other than a half is read in two ways, and has no value here."""
    negative = not isinstance(a, complex) and a < 0
    if negative and not (isinstance(b, complex) or b == Fraction(1, 2) or b == int(b)):
        raise NoValue
    return cmath.exp(complex(b) * cmath.log(complex(a))) if a else complex(a) ** complex(b)


def _rooted(a: Any, n: Any) -> Any:
    if n == 2 and isinstance(a, int | Fraction) and a >= 0:
        top, bottom = math.isqrt(a.numerator), math.isqrt(a.denominator)
        if top * top == a.numerator and bottom * bottom == a.denominator:
            return Fraction(top, bottom)
    return cmath.sqrt(complex(a)) if n == 2 else _raised(a, _divided(1, n))


def _factorial(a: Any) -> Any:
    if not isinstance(a, int | Fraction) or a != int(a) or not 0 <= a <= LARGEST_FACTORIAL:
        raise NoValue
    return math.factorial(int(a))


def _chosen(n: Any, k: Any) -> Any:
    if not (isinstance(n, int) and isinstance(k, int) and 0 <= k <= n <= 2 * LARGEST_FACTORIAL):
        raise NoValue
    return math.comb(n, k)


def _logarithm(a: Any, base: Any) -> Any:
    value = cmath.log(complex(a)) / cmath.log(complex(base))
    nearest = round(value.real) if cmath.isfinite(value) else 0
    exact = isinstance(a, int | Fraction) and isinstance(base, int) and abs(nearest) < LARGEST_POWER and a > 0 and base > 1
    return nearest if exact and Fraction(base) ** nearest == a else value


_OPERATIONS: Mapping[str, Any] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "^": _raised,
    "neg": lambda a: -a,
    "abs": abs,
    "root": _rooted,
    "!": _factorial,
    "%": lambda a: _divided(a, 100),
    "deg": lambda a: complex(a) * math.pi / 180,
    "binom": _chosen,
    "log": _logarithm,
}
