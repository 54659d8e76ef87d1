"""Arithmetic and elementary functions, read by a grammar of our own and evaluated on numbers; nothing in a text is ever executed."""

import cmath
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

MOST_CHARACTERS, MOST_NODES, DEEPEST, MOST_DIGITS = 512, 256, 24, 400
"""What is longer, larger, deeper or has longer numbers is not read here (ours)."""
LARGEST_POWER, LARGEST_BITS, LARGEST_FACTORIAL = 512, 4096, 170
"""Exact powers up to here; beyond, floating point (ours)."""

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?(?:[eE][-+]?\d{1,3}(?![\dA-Za-z]))?|\.\d+)|\\([A-Za-z]+)|([A-Za-z]+)|([-+*/^_(){}\[\]|!%]))")
_CONSTANTS: Mapping[str, Any] = {"pi": math.pi, "e": math.e, "i": 1j, "infty": math.inf}
_LETTERS = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "theta",
        "lambda",
        "mu",
        "rho",
        "sigma",
        "tau",
        "phi",
        "omega",
        "Delta",
        "Omega",
        "xi",
        "eta",
        "kappa",
        "psi",
        "chi",
    ]
)


def _cot(x: complex) -> complex:
    return 1 / cmath.tan(x)


_FUNCTIONS: Mapping[str, Any] = {
    "sin": cmath.sin, "cos": cmath.cos, "tan": cmath.tan, "cot": _cot, "sec": lambda x: 1 / cmath.cos(x), "csc": lambda x: 1 / cmath.sin(x),
    "arcsin": cmath.asin, "arccos": cmath.acos, "arctan": cmath.atan, "asin": cmath.asin, "acos": cmath.acos, "atan": cmath.atan,
    "sinh": cmath.sinh, "cosh": cmath.cosh, "tanh": cmath.tanh, "exp": cmath.exp, "ln": cmath.log, "log": cmath.log10, "lg": cmath.log10,
}  # fmt: skip
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_WORDS = frozenset({*_FUNCTIONS, "sqrt", "pi"})

Node = tuple[Any, ...]
"""An operation and its operands."""


class NotRead(Exception):
    """The text is none that this grammar reads, or could be read in two ways."""


class NoValue(Exception):
    """The expression has no value at this point."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What was read."""

    node: Node
    variables: frozenset[str]
    decimal: bool
    """Whether a number in it has a point, and so may be rounded."""
    places: int | None
    """Digits behind the point where the whole is one such number."""


def read(text: str) -> Expression | None:
    """Return the expression that ``text``, in the spelling of ``notation.standard``, is; None where it is none or is ambiguous."""
    if not text or len(text) > MOST_CHARACTERS:
        return None
    try:
        reader = _Reader(text)
        node = reader.whole()
    except NotRead:
        return None
    return Expression(node, frozenset(reader.variables), reader.decimal, _places(text) if reader.decimal else None)


def _places(text: str) -> int | None:
    number = re.fullmatch(r"[-+]?\s*\d*\.(\d*)", text)
    return len(number.group(1)) if number else None


class _Reader:
    """One pass over the tokens, by recursive descent."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.nodes = self.depth = 0
        self.variables: set[str] = set()
        self.decimal = False

    def whole(self) -> Node:
        node = self._sum()
        if self._peek():
            raise NotRead
        return node

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self.at += 1
        if not token:
            raise NotRead
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise NotRead

    def _made(self, *parts: Any) -> Node:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise NotRead
        return parts

    def _sum(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotRead
        node = self._product()
        while self._peek() in ("+", "-"):
            node = self._made(self._next(), node, self._product())
        self.depth -= 1
        return node

    def _product(self) -> Node:
        """Read a product; after a slash a factor without a sign would be ambiguous (``1/2x``), and is not read."""
        node = self._signed()
        slashed = False
        while True:
            if self._peek() in ("*", "/"):
                sign = self._next()
                slashed = sign == "/"
                node = self._made(sign, node, self._signed())
            elif self._starts_factor():
                if slashed or self._peek().replace(".", "").isdigit():
                    raise NotRead
                node = self._mixed(node) or self._made("*", node, self._power())
            else:
                return node

    def _mixed(self, node: Node) -> Node | None:
        r"""``3\\frac{1}{2}`` is a sum: a whole number before a fraction of whole numbers."""
        if node[0] != "n" or self._peek() != "\\frac" or self.tokens[self.at - 1] != str(node[1]):
            return None
        fraction = self._power()
        proper = fraction[0] == "/" and fraction[1][0] == fraction[2][0] == "n"
        return self._made("+" if proper else "*", node, fraction)

    def _starts_factor(self) -> bool:
        token = self._peek()
        return bool(token) and (token[0].isalnum() or token in ("(", "[", "{") or (token[0] == "\\" and token[1:] not in ("circ",)))

    def _signed(self) -> Node:
        if self._peek() in ("+", "-"):
            sign = self._next()
            return self._made("neg", self._signed()) if sign == "-" else self._signed()
        return self._power()

    def _power(self) -> Node:
        node = self._postfix(self._atom())
        while self._peek() == "^":
            self.at += 1
            if self._peek() == "\\circ":
                self.at += 1
                node = self._made("deg", node)
                continue
            node = self._made("^", node, self._exponent())
            if self._peek() == "^":
                raise NotRead
            node = self._postfix(node)
        return node

    def _postfix(self, node: Node) -> Node:
        while self._peek() in ("!", "%"):
            node = self._made(self._next(), node)
        return node

    def _exponent(self) -> Node:
        if self._peek() == "-":
            self.at += 1
            return self._made("neg", self._atom())
        return self._atom()

    def _atom(self) -> Node:
        token = self._next()
        if token[0].isdigit() or token[0] == ".":
            return self._number(token)
        if token in ("(", "[", "{"):
            return self._closed({"(": ")", "[": "]", "{": "}"}[token])
        if token == "|":
            return self._made("abs", self._closed("|"))
        name = token.removeprefix("\\")
        if name in _FUNCTIONS:
            return self._function(name)
        if token in ("\\frac", "\\sqrt", "\\binom") or name == "sqrt":
            return self._command(name)
        if name in _CONSTANTS:
            return self._made("c", name)
        if token.isalpha() or name in _LETTERS:
            return self._variable(name)
        raise NotRead

    def _number(self, token: str) -> Node:
        if len(token) > MOST_DIGITS:
            raise NotRead
        self.decimal = self.decimal or "." in token.rstrip(".")
        return self._made("n", Fraction(token) if not token.isdigit() else int(token))

    def _closed(self, end: str) -> Node:
        node = self._sum()
        self._expect(end)
        return node

    def _variable(self, name: str) -> Node:
        if self._peek() == "_":
            self.at += 1
            name += "_" + (self._subscript() if self._peek() == "{" else self._next())
        if self._peek() == "(" and name in ("f", "g", "h", "F", "P"):
            raise NotRead
        self.variables.add(name)
        return self._made("v", name)

    def _subscript(self) -> str:
        self.at += 1
        parts: list[str] = []
        while self._peek() != "}":
            parts.append(self._next())
        self.at += 1
        return "".join(parts)

    def _command(self, name: str) -> Node:
        if name == "sqrt":
            index = self._index() if self._peek() == "[" else self._made("n", 2)
            return self._made("root", self._argument(), index)
        node = self._made("/" if name == "frac" else name, self._argument(), self._argument())
        if self.tokens[self.at - 1].isdigit() and self._peek()[:1].isdigit():
            raise NotRead
        return node

    def _index(self) -> Node:
        self.at += 1
        return self._closed("]")

    def _argument(self) -> Node:
        """Read what a command takes: a group, or one sign; of a longer number LaTeX takes the first digit, and people mean all of it."""
        token = self._next()
        if token == "{":
            return self._closed("}")
        if token.isdigit() and len(token) == 2 and self.tokens[self.at - 2] == "\\frac":
            self.tokens[self.at - 1 : self.at] = [token[0], token[1]]
            token = token[0]
        if token == "(" and self.tokens[self.at - 2] in ("\\sqrt", "sqrt"):
            return self._closed(")")
        if len(token) != 1 or not token.isalnum():
            raise NotRead
        self.at -= 1
        return self._atom()

    def _function(self, name: str) -> Node:
        base = power = None
        while self._peek() in ("_", "^"):
            if self._next() == "_":
                base = self._atom()
            else:
                power = self._exponent()
        if (base is not None) and name != "log":
            raise NotRead
        if power == ("neg", ("n", 1)):
            name, power = _INVERSE.get(name, ""), None
        if not name:
            raise NotRead
        node = self._made("log", self._operand(), base) if base else self._made("f", name, self._operand())
        return self._made("^", node, power) if power else node

    def _operand(self) -> Node:
        r"""Read the argument of a function: a bracket, or factors up to a sign or the next function (``\\sin 2x \\cos x``)."""
        if self._peek() in ("(", "[", "{"):
            return self._power()
        node = self._signed()
        while self._starts_factor() and self._peek() not in ("(", "[", "{") and self._peek().removeprefix("\\") not in _FUNCTIONS:
            node = self._made("*", node, self._power())
        if self._peek() == "/":
            raise NotRead
        return node


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotRead
        at = match.end()
        number, command, word, sign = match.groups()
        tokens += _letters(word) if word else [number or (f"\\{command}" if command else sign)]
    return tokens


def _letters(word: str) -> list[str]:
    """Read a word: a function, or at most two letters that are multiplied."""
    if word in _WORDS:
        return [f"\\{word}"]
    if len(word) > 2:
        raise NotRead
    return list(word)


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
    """Refuse a power of a negative number by a fraction other than a half: it is read in two ways, as a real root and as the principal one."""
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
