"""Mathematics as people and models write it, brought to one spelling: ASCII and LaTeX commands, without what is only for show."""

import re
import unicodedata

from synth.verifiers.listing import INVISIBLE

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta", "λ": "lambda", "μ": "mu", "ρ": "rho",
    "σ": "sigma", "τ": "tau", "φ": "phi", "ϕ": "phi", "ω": "omega", "π": "pi", "Δ": "Delta", "Ω": "Omega", "ξ": "xi",
    "η": "eta", "κ": "kappa", "ψ": "psi", "χ": "chi",
}  # fmt: skip
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "•": "*", "÷": "/", "∕": "/", "⁄": "/", "∶": ":",
    "、": ",", "。": ".", "　": " ", "∞": r"\infty ", "√": r"\surd ", "≤": r"\le ", "≥": r"\ge ", "≦": r"\le ", "≧": r"\ge ",
    "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≒": r"\approx ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "±": r"\pm ", "∓": r"\mp ", "°": r"^\circ ", "º": r"^\circ ", "∅": r"\emptyset ", "′": "'", "’": "'", "\u00a0": " ",
    "\u2009": " ", "\u202f": " ", "，": ",", "【": "[", "】": "]", "∣": "|",
}  # fmt: skip
_TABLE = str.maketrans(
    {
        **_SIGNS,
        **{letter: f"\\{name} " for letter, name in _GREEK.items()},
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    }
)
_RAISED = re.compile("[⁰¹²³⁴-⁹⁺⁻ⁿ]{1,40}")
_LOWERED = re.compile("[₀-₉]{1,40}")
_RAISED_TABLE = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_LOWERED_TABLE = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_VULGAR = re.compile("[¼-¾⅐-⅞]")
_SURD = re.compile(r"\\surd\s*(\d+(?:\.\d+)?|[A-Za-z]\b)?")
_COMMANDS = {
    "dfrac": r"\frac", "tfrac": r"\frac", "cfrac": r"\frac", "cdot": "*", "times": "*", "div": "/", "leq": r"\le ",
    "geq": r"\ge ", "leqslant": r"\le ", "geqslant": r"\ge ", "lt": "<", "gt": ">", "neq": r"\ne ", "lbrace": r"\{",
    "rbrace": r"\}", "lbrack": "[", "rbrack": "]", "left": "", "right": "", "big": "", "Big": "", "bigl": "", "bigr": "",
    "displaystyle": "", "limits": "", "quad": " ", "qquad": " ", "degree": r"^\circ ", "arctan": r"\arctan ", "lvert": "|",
    "rvert": "|", "vert": "|", "mid": "|", "varphi": r"\phi ", "varepsilon": r"\epsilon ", "thinspace": "", "enspace": " ",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SPACING = re.compile(r"(?<!\\)\\[!,;: ]|~|\{\}")
_COMMA = re.compile(r"\{\s*,\s*\}")
_CIRCLE = re.compile(r"\^\s*\{?\s*\\circ\s*\}?")
_WRAPPERS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"\$\$?([^$]+)\$?\$", r"\\\((.+)\\\)", r"\\\[(.+)\\\]", r"\*\*([^*]+)\*\*", r"`+([^`]+)`+",
        r"\\(?:text|mathrm|textbf|mathbf|textit|mathit|textrm|rm|operatorname|mbox|bf)\s*\{([^{}]*)\}", r"\\(?:boxed"
        r"|fbox)\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}",
    )
)  # fmt: skip
_OPENING = re.compile(
    r"(?:(?:so|thus|hence|therefore|then|finally|and|we (?:get|have|find|obtain))\b,?\s*|(?:the |our |my |its |final |correct "
    r"|exact |required |total |numerical )*"
    r"(?:answer|result|value|solution|number|sum|total|probability|area|length|option|choice|minimum|maximum"
    r"|expression)(?:\s*\(?s\)?)?\s*(?:of [a-z]\s*)?(?:is|are|=|:|equals|would be|comes to)+:?\s*"
    r"|(?:option|choice|solution|answer|ans)\s*[.:]\s*|there (?:are|is)\s+|it (?:is|equals)\s+|a total of\s+|equals?\s+"
    r"|(?:所以|因此|故|综上|综上所述|于是|最终|最后|那么|即)[,:]?\s*|(?:本题|该题|题目|正确|最终|最后|标准|的)*(?:答案|结果|值|解"
    r"|概率|面积|长度|选项|和|个数|总数)(?:应该|应)?(?:是|为|等于|:|=)+\s*"
    r"|(?:总共|一共|共有|共计|共|有|等于|是|为|选|选择|应选|故选)[:=]?\s*(?=[-+\\(\d$A-J]))",
    re.IGNORECASE,
)
_ENDING = re.compile(r"(?<![.\\])[.,;:]\s*$|\\$")
_BETWEEN = re.compile(r"\\text\s*\{\s*(?:and|or)\s*\}|,?\s*\b(?:and|or)\b|\\(?:lor|vee|land|wedge)\b|\s*(?:以及|或者|或|和|与|及)\s*")
_MIXED = re.compile(r"(?<![\d/.,])(\d{1,9})\s+(?:and\s+)?(\d{1,9})/(\d{1,9})(?![\d.])")
_INFINITY = re.compile(r"(?<!\\)\binfinity\b|(?:正)?无穷大|\binf\b", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_DEGREES_IN_WORDS = re.compile(r"(?<=\d)\s*(?:degrees?\b|度)")
MOST_WRAPPERS = 12
"""Openings and wrappers that are taken off one after the other (ours)."""


def standard(text: str) -> str:
    r"""Return ``text`` in one spelling, without dollars, boxes, bold type, openings such as "The answer is", and full stops at the end.

    ``π`` is ``\pi``, ``**`` is ``^``, ``×`` and ``\cdot`` are ``*``, ``\dfrac`` is ``\frac``, ``²`` is ``^{2}``, ``3½`` is
    ``3\frac{1}{2}``, "or", "and", ``和`` and ``或`` are commas. Units, labels and letter case stay.
    """
    text = _SURD.sub(_root, _symbols(INVISIBLE.sub("", text)))
    text = _CIRCLE.sub(r"^\\circ ", _COMMA.sub(",", _COMMAND.sub(_command, text)))
    for _ in range(MOST_WRAPPERS):
        shorter = _unwrapped(text.strip())
        if shorter == text:
            break
        text = shorter
    text = _INFINITY.sub(r"\\infty ", _MIXED.sub(r"\1\\frac{\2}{\3}", text))
    text = _BETWEEN.sub(",", _SPACING.sub(" ", text)).replace("\\%", "%").replace("\\$", "$").replace("**", "^")
    return _SPACES.sub(" ", _DEGREES_IN_WORDS.sub(r"^\\circ ", text)).strip()


def _symbols(text: str) -> str:
    text = _RAISED.sub(lambda run: f"^{{{run.group().translate(_RAISED_TABLE)}}}", text)
    text = _LOWERED.sub(lambda run: f"_{{{run.group().translate(_LOWERED_TABLE)}}}", text)
    return _VULGAR.sub(_vulgar, text).translate(_TABLE)


def _vulgar(sign: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", sign.group()).partition("⁄")
    return rf"\frac{{{top}}}{{{bottom}}}" if bottom else sign.group()


def _root(surd: re.Match[str]) -> str:
    return rf"\sqrt{{{surd.group(1)}}}" if surd.group(1) else r"\sqrt "


def _command(command: re.Match[str]) -> str:
    return _COMMANDS.get(command.group(1), command.group())


def _unwrapped(text: str) -> str:
    """Return ``text`` without one wrapper, one opening or one full stop."""
    for wrapper in _WRAPPERS:
        whole = wrapper.fullmatch(text)
        if whole:
            return whole.group(1).strip()
    opening = _OPENING.match(text)
    if opening and opening.end() < len(text):
        return text[opening.end() :].strip()
    shorter = _ENDING.sub("", text)
    return shorter.removeprefix("=").strip() if shorter else text
