"""Why a server stopped, as rules: what was cut, withheld, or ended for a reason that nobody listed."""

from collections.abc import Sequence

from filters.words import where
from schemas.exits import Rule
from schemas.protocols import CUT

WHOLE = ("stop", "eos", "eos_token", "end_turn", "stop_sequence")
"""What servers say of an answer that the model ended itself: OpenAI and vLLM, TGI, Anthropic's API and gateways to it."""


def finish_rules(reasons: Sequence[str], whole: Sequence[str] = WHOLE) -> list[Rule]:
    """Return the rules ``truncated``, ``content_filter`` and ``unknown_finish`` over finish reasons; none stated counts as whole."""
    ends = [reason.casefold() for reason in reasons]
    return [
        Rule("truncated", where(CUT.__contains__, ends)),
        Rule("content_filter", where("content_filter".__eq__, ends)),
        Rule("unknown_finish", where(lambda end: end not in ("", *whole), ends)),
    ]
