"""One spelling for what is typeset in many: LaTeX, superscripts, full-width forms and signs that look alike."""

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_SIGNS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "﹣": "-",
        "‐": "-",
        "‑": "-",
        "µ": "μ",
        "⋅": "·",
        "∙": "·",
        "•": "·",
        "・": "·",
        "⟶": "→",
        "⇋": "⇌",
        "⇄": "⇌",
    }
    | {"’": "'", "‘": "'", "“": '"', "”": '"', "₋": "-", "₊": "+", "$": "$", "℃": "°C", "℉": "°F"}
)
_COMMANDS = {
    "mu": "μ", "Omega": "Ω", "omega": "ω", "degree": "°", "celsius": "°C", "cdot": "·", "times": "×", "rightarrow": "→",
    "longrightarrow": "→", "to": "→",
    "rightleftharpoons": "⇌", "uparrow": "↑", "downarrow": "↓", "approx": "≈", "angstrom": "Å", "dfrac": "\\frac", "tfrac": "\\frac",
    "frac": "\\frac",
    "quad": " ", "qquad": " ", "left": "", "right": "", "displaystyle": "", "prime": "'",
}  # fmt: skip
"""LaTeX commands and what they stand for."""
_PLAIN_WRAPPERS = "text textbf textit textrm mathrm mathbf mathit mathsf boldsymbol bm operatorname mbox rm ce unit"
_WRAPPERS = frozenset(_PLAIN_WRAPPERS.split())
_COMMAND = re.compile(r"\\([A-Za-z]{1,24}) ?")
_SPACING = re.compile(r"\\[,;:! ]|~")
_DEGREE = re.compile(r"\^ ?\{? ?(?:\\circ|°) ?\}?")
_DOLLARS = re.compile(r"\$([^$]{1,400})\$")
_FRACTION = re.compile(r"\\frac ?\{([^{}]{1,60})\} ?\{([^{}]{1,60})\}")
_SPACES = re.compile(r"\s+")


def flat(text: str) -> str:
    r"""Return ``text`` in one line of plain characters: ``$10^{-3}\,\mathrm{m/s^2}$`` and ``10⁻³ m/s²`` are ``10^-3 m/s^2``.

    Superscripts stay powers (``^2``), subscripts become digits, braces go, ``\frac{a}{b}`` is ``(a)/(b)``. Case stays.
    """
    text = text.replace("{,}", "").replace("$", "$")
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^" + run.group().translate(_SUPERSCRIPTS), text.translate(_SIGNS))
    text = unicodedata.normalize("NFKC", text).translate(_SIGNS)
    text = _SPACING.sub(" ", _DEGREE.sub("°", _DOLLARS.sub(r"\1", text)))
    text = _FRACTION.sub(r"(\1)/(\2)", _COMMAND.sub(_plain_command, text))
    text = text.replace(r"\%", "%").replace(r"\$", "$").replace("_", "").replace("**", "^" if "^" not in text else "**")
    return _SPACES.sub(" ", text.replace("{", "").replace("}", "")).strip()


def _plain_command(command: re.Match[str]) -> str:
    name = command.group(1)
    return "" if name in _WRAPPERS else _COMMANDS.get(name, command.group())


def is_wide(character: str) -> bool:
    """Tell whether ``character`` is of a script that puts no blanks between words: Han, kana, full-width signs."""
    return "\u2e80" <= character <= "\u9fff" or "\uf900" <= character <= "\ufaff" or "\uff00" <= character <= "\uffef"
