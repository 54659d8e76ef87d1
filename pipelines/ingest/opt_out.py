"""What ``X-Robots-Tag`` says to us: whether the owner of an image asks not to have it in an index or a training set.

The header may come several times, each with directives separated by commas. A directive behind ``NAME:`` is for the robot of
that name, as are those that follow it up to the next name (Google's description of the header); the others are for all.
"""

from collections.abc import Collection, Iterable, Iterator

NO_TRAINING = ("noai", "noimageai", "noindex", "noimageindex")
"""Directives that count as opting out (img2dataset's, after DeviantArt's noai)."""
_WITH_VALUE = frozenset(("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"))
"""Directives that have a colon of their own, which names no robot (Google)."""
_MEANS = {"none": ("none", "noindex")}


def opted_out(headers: Iterable[str], robot: str, counting: Collection[str]) -> str | None:
    """Return the first directive of ``headers`` for all robots or for ``robot`` that is among ``counting``, null for none.

    ``robot`` and ``counting`` are lower case; ``none`` counts as ``noindex`` (Google).
    """
    for header in headers:
        for name, directive in _directives(header):
            if name in ("", "*", robot) and any(meant in counting for meant in _MEANS.get(directive, (directive,))):
                return directive
    return None


def robot_of(user_agent: str) -> str:
    """Return the name by which headers address ``user_agent``: its first word without the version, lower case (RFC 9110, product)."""
    return user_agent.partition(" ")[0].partition("/")[0].lower()


def _directives(header: str) -> Iterator[tuple[str, str]]:
    """Yield (robot, directive) of one header, lower case; the robot is empty for all."""
    robot = ""
    for part in header.lower().split(","):
        name, colon, rest = (word.strip() for word in part.partition(":"))
        if colon and name not in _WITH_VALUE:
            robot, directive = name, rest
        else:
            directive = name
        yield robot, directive
