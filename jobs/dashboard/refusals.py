"""What a request is answered with where it gets nothing: both become JSON with one key, ``error``."""


class Refused(ValueError):
    """The request asks for what does not exist or is not allowed; the message says what was expected. Status 400."""


class Missing(LookupError):
    """What is asked for is well-named and not there; the message says why. Status 404."""
