"""The key of a served model: a job names it, the process that asks the model reads it, and no message or log holds it."""

import logging
import re
from collections.abc import Mapping
from os import environ
from types import MappingProxyType

from schemas.exits import EnvironmentFault

LIKE = "projects/P/secrets/S/versions/V"
"""How a version of a secret is named."""

LONGEST_NAME = 12
"""Letters of a name without underscores that no key is as short as (ours)."""

_VARIABLE = re.compile("[A-Z][A-Z0-9_]*")
_SECRET = re.compile(r"projects/(?P<project>[a-z0-9.:-]+)/secrets/(?P<secret>[\w-]+)/versions/[\w-]+", re.ASCII)
_VERSIONS = "list its versions, one of which has to be enabled: gcloud secrets versions list {secret} --project={project}"
_GRANT = (
    "let the account that runs this, on Dataflow the workers' service account, read it: gcloud secrets add-iam-policy-binding {secret} "
    "--project={project} --member=serviceAccount:ACCOUNT --role=roles/secretmanager.secretAccessor"
)
_LOGIN = "log in: gcloud auth application-default login; on Dataflow, give the job a service account"
_AGAIN = "see whether Secret Manager is up, and run the same command again"
_ADVICE: Mapping[int | None, str] = MappingProxyType({400: _VERSIONS, 401: _LOGIN, 403: _GRANT, 404: _VERSIONS})
"""What to do about the errors of Secret Manager, by their HTTP status; 400 is a version that is disabled or destroyed."""


def read_key(role: str, *, variable: str, secret: str) -> str:
    """Return the key that an environment variable or a version of a Google secret holds, empty where neither is named.

    ``role`` is the section of the job that names it. Raises ``EnvironmentFault`` that quotes neither the key nor a name that may be
    the key itself; a wrong name is refused before anything is asked.
    """
    if secret:
        return _fit(role, _from_secret(role, secret), f"the secret {secret}", "add a version that holds the key alone, and name it")
    if variable:
        advice = f"export it, or, for workers elsewhere, name a secret: --set {role}.api_key_secret={LIKE}"
        return _fit(role, _from_variable(role, variable), f"the environment variable {_shown(variable)}", advice)
    return ""


def _shown(variable: str) -> str:
    """Return the name of a variable, but not one that is as long as a key and has no part like one (AKIA...)."""
    return variable if "_" in variable or len(variable) <= LONGEST_NAME else "that is named"


def _fit(role: str, text: str, where: str, advice: str) -> str:
    key = text.strip()
    if key and key.isascii() and key.isprintable():
        return key
    found = "characters that no HTTP header can hold" if key else "nothing"
    raise EnvironmentFault(f"expected the key of the {role} in {where}, found {found}; {advice}")


def _from_variable(role: str, name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise EnvironmentFault(
            f"expected {role}.api_key_env to name an environment variable in capitals, found something else; never put the key there"
        )
    return environ.get(name, "")


def _from_secret(role: str, name: str) -> str:
    """Return the payload of the secret version ``name``; Secret Manager's client tries for a minute while the service is unavailable."""
    place = _SECRET.fullmatch(name)
    if not place:
        raise EnvironmentFault(f"expected {role}.api_key_secret to be like {LIKE}, found something else; never put the key there")
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import secretmanager

    logging.getLogger("google.cloud.secretmanager_v1").setLevel(logging.INFO)  # at DEBUG it logs each payload
    try:
        with secretmanager.SecretManagerServiceClient() as client:
            payload = client.access_secret_version(name=name).payload.data
    except (GoogleAPIError, GoogleAuthError) as error:
        advice = _LOGIN if isinstance(error, GoogleAuthError) else _ADVICE.get(getattr(error, "code", None), _AGAIN)
        found = f"{type(error).__name__}: {error}; {advice.format(**place.groupdict())}"
        raise EnvironmentFault(f"expected the key of the {role} in the secret {name}, found {found}") from error
    return payload.decode("ascii", "replace")
