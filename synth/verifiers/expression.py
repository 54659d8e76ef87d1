"""Arithmetic and elementary functions, read by a grammar of our own; nothing in a text is ever executed."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

MOST_CHARACTERS, MOST_NODES, DEEPEST, MOST_DIGITS = 512, 256, 24, 400
"""What is longer, larger, deeper or has longer numbers is not read here (ours)."""

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?(?:[eE][-+]?\d{1,3}(?![\dA-Za-z]))?|\.\d+)|\\([A-Za-z]+)|([A-Za-z]+)|([-+*/^_(){}\[\]|!%]))")
CONSTANTS = frozenset({"pi", "e", "i", "infty"})
TRIGONOMETRY = ("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "asin", "acos", "atan")
FUNCTIONS = frozenset({*TRIGONOMETRY, "sinh", "cosh", "tanh", "exp", "ln", "log", "lg"})
_GREEK = frozenset(
    (
        "alpha", "beta", "gamma", "delta", "epsilon", "theta", "lambda", "mu", "rho", "sigma", "tau", "phi", "omega", "Delta",
        "Omega", "xi", "eta", "kappa", "psi", "chi",
    )
)  # fmt: skip


_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan"}
_WORDS = frozenset({*FUNCTIONS, "sqrt", "pi"})

Node = tuple[Any, ...]
"""An operation and its operands."""


class NotRead(Exception):
    """The text is none that this grammar reads, or could be read in two ways."""


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
        piece = self._peek()
        self.at += 1
        if not piece:
            raise NotRead
        return piece

    def _expect(self, piece: str) -> None:
        if self._next() != piece:
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
        r"""``3\frac{1}{2}`` is a sum: a whole number before a fraction of whole numbers."""
        if node[0] != "n" or self._peek() != "\\frac" or self.tokens[self.at - 1] != str(node[1]):
            return None
        fraction = self._power()
        proper = fraction[0] == "/" and fraction[1][0] == fraction[2][0] == "n"
        return self._made("+" if proper else "*", node, fraction)

    def _starts_factor(self) -> bool:
        piece = self._peek()
        return bool(piece) and (piece[0].isalnum() or piece in ("(", "[", "{") or (piece[0] == "\\" and piece[1:] not in ("circ",)))

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
        piece = self._next()
        if piece[0].isdigit() or piece[0] == ".":
            return self._number(piece)
        if piece in ("(", "[", "{"):
            return self._closed({"(": ")", "[": "]", "{": "}"}[piece])
        if piece == "|":
            return self._made("abs", self._closed("|"))
        name = piece.removeprefix("\\")
        if name in FUNCTIONS:
            return self._function(name)
        if piece in ("\\frac", "\\sqrt", "\\binom") or name == "sqrt":
            return self._command(name)
        if name in CONSTANTS:
            return self._made("c", name)
        if piece.isalpha() or name in _GREEK:
            return self._variable(name)
        raise NotRead

    def _number(self, piece: str) -> Node:
        if len(piece) > MOST_DIGITS:
            raise NotRead
        self.decimal = self.decimal or "." in piece.rstrip(".")
        return self._made("n", Fraction(piece) if not piece.isdigit() else int(piece))

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
        if _is_derivative(node):
            raise NotRead
        if self.tokens[self.at - 1].isdigit() and self._peek()[:1].isdigit():
            raise NotRead
        return node

    def _index(self) -> Node:
        self.at += 1
        return self._closed("]")

    def _argument(self) -> Node:
        """Read what a command takes: a group, or one sign; of a longer number LaTeX takes the first digit, and people mean all of it."""
        piece = self._next()
        if piece == "{":
            return self._closed("}")
        if piece.isdigit() and len(piece) == 2 and self.tokens[self.at - 2] == "\\frac":
            self.tokens[self.at - 1 : self.at] = [piece[0], piece[1]]
            piece = piece[0]
        if piece == "(" and self.tokens[self.at - 2] in ("\\sqrt", "sqrt"):
            return self._closed(")")
        if len(piece) != 1 or not piece.isalnum():
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
        r"""Read the argument of a function: a bracket, or factors up to a sign or the next function (``\sin 2x \cos x``).

        What stands behind the bracket is the function's: ``\sin(x)^2`` is the square of a sine.
        """
        if self._peek() in ("(", "[", "{"):
            return self._atom()
        node = self._signed()
        while self._starts_factor() and self._peek() not in ("(", "[", "{") and self._peek().removeprefix("\\") not in FUNCTIONS:
            node = self._made("*", node, self._power())
        if self._peek() == "/":
            raise NotRead
        return node


def _is_derivative(fraction: Node) -> bool:
    """Tell whether a fraction may be ``d/dx`` or ``d^2y/dx^2``, where a d is no factor."""
    _, over, under = fraction
    return _leading(over) == _leading(under) == ("v", "d") and under[0] == "*"


def _leading(node: Node) -> Node:
    """Return the first factor of a product, without its exponent."""
    while node[0] in ("*", "^"):
        node = node[1]
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
