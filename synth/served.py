"""What every served model shares, captioner and judge: which model it is, whether it answers, and answers kept as they arrive."""

from collections.abc import Mapping
from contextlib import closing

from schemas.exits import EnvironmentFault
from schemas.protocols import Answer, ChatRequest, Failure
from synth.answers import AnswerStore
from synth.chat import ChatClient, ChatSpec
from synth.completion import Turn


def served_model(chat: ChatSpec, named: str) -> str:
    """Return the model that is ``named``, or the one model that the endpoint serves where none is.

    Raises ``EnvironmentFault`` where the endpoint is no address or its key is missing, and, where no model is named, where it
    does not answer within 10 seconds or serves several.
    """
    with chat.load() as client:
        if named:
            return named
        found = client.models()
    if len(found) != 1:
        raise EnvironmentFault(f"{chat.endpoint} serves {found}, and the job names none of them: --set {chat.section}.model=NAME")
    return found[0]


def check_served(chat: ChatSpec, *, image: bool = False, limit: str = "max_tokens") -> None:
    """Raise ``EnvironmentFault`` unless the server answers within 10 seconds, with an ``image`` if wanted.

    So it does for ``max_tokens``, which the job sets as ``limit``, beyond the server's context: every sample would die of it by itself.
    """
    with chat.load() as client:
        client.check(image=image)
        context = client.context()
    if context is not None and chat.max_tokens > context:
        raise EnvironmentFault(
            f"{chat.role}.{limit}={chat.max_tokens} is more than the {context} tokens that {chat.model} at {chat.endpoint} has for "
            f"prompt and answer together; lower it, --set {chat.role}.{limit}={context // 2}, or serve with a larger --max-model-len"
        )


def ask_stored(client: ChatClient, store: AnswerStore, split_id: str, turns: Mapping[str, Turn]) -> dict[str, Answer | Failure]:
    """Return one outcome for each turn under its key; a stored answer is not asked again, and a new one is stored as it arrives.

    Raises ``EnvironmentFault`` when the server, and not a request, is at fault; what it answered until then is stored.
    """
    with store.open(split_id) as answers:
        outcomes: dict[str, Answer | Failure] = {**answers.expect(turns)}
        requests = [ChatRequest(turn.messages(), key) for key, turn in turns.items() if key not in outcomes]
        with closing(client.ask(requests)) as finished:
            for index, outcome in finished:
                key = requests[index].key
                if isinstance(outcome, Answer):
                    answers.put(key, outcome)
                outcomes[key] = outcome
    return outcomes
