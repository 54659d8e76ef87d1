"""What to do about a served model that does not answer, by what it says."""

from collections.abc import Mapping
from types import MappingProxyType

START = "start a server with `python -m vllm.entrypoints.openai.api_server --model {model}`, or name one that runs: --set {section}.endpoint=http://HOST:8000/v1"
KEY = (
    "put a key that is valid there into an environment variable, or into Google Secret Manager, and name it: "
    "--set {section}.api_key_env=NAME or --set {section}.api_key_secret=projects/P/secrets/S/versions/V"
)
ADVICE: Mapping[int, str] = MappingProxyType(
    {
        400: "it refuses a request of two words: look at {section}.extra and {section}.model",
        401: KEY,
        403: KEY,
        404: "the endpoint ends in /v1 as a rule, and {endpoint}/models lists the models that it serves",
    }
)
"""What to do about the HTTP statuses that blame key, address or settings, where the canary gets them."""
BLIND = (
    "it answers texts but not images: serve a vision-language model, or work from descriptions: "
    "--set captioner.prompt=recaption_described, or where questions are asked --set questions.seen=[text, description]"
)
