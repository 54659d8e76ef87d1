"""Keys of served models from Google Secret Manager: its own client, against a server on this machine that speaks its protocol."""

import logging
import pickle
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import secretmanager
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from pipelines.recaption.launch import main
from schemas.exits import EnvironmentFault
from schemas.protocols import Answer, CaptionTask
from synth.answers import AnswerStore
from synth.captioner import CaptionerSpec
from synth.chat import ChatSpec
from tests.scripted_server import ScriptedServer, answer, error

KEY = "sk-vault-5d20e81fa4"
NAME = "projects/harbour-1/secrets/captioner_key/versions/3"
SPEC = CaptionerSpec(endpoint="http://x/v1", model="scripted", backoff_seconds=1e-4, api_key_secret=NAME)

Held = bytes | grpc.StatusCode


class SecretServer:
    """Holds one secret, or answers with a status; remembers the names that it was asked for."""

    def __init__(self) -> None:
        self.held: Held = KEY.encode()
        self.asked: list[str] = []

    def access(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.asked.append(request.name)
        if isinstance(self.held, grpc.StatusCode):
            context.abort(self.held, f"{self.held.name.lower()} on resource {request.name}")
        return secretmanager.AccessSecretVersionResponse(name=request.name, payload={"data": self.held})


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretServer]:
    """A secret server, and the real client led to it: without this, it would look for credentials and call Google."""
    served = SecretServer()
    method = grpc.unary_unary_rpc_method_handler(
        served.access, secretmanager.AccessSecretVersionRequest.deserialize, secretmanager.AccessSecretVersionResponse.serialize
    )
    service = "google.cloud.secretmanager.v1.SecretManagerService"
    real = secretmanager.SecretManagerServiceClient
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"AccessSecretVersion": method})])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()

        def client() -> secretmanager.SecretManagerServiceClient:
            return real(transport=SecretManagerServiceGrpcTransport(channel=grpc.insecure_channel(f"127.0.0.1:{port}")))

        monkeypatch.setattr(secretmanager, "SecretManagerServiceClient", client)
        yield served
        server.stop(None).wait()


def fault_of(work: Callable[[], object]) -> str:
    with pytest.raises(EnvironmentFault) as caught:
        work()
    return str(caught.value)


def test_the_key_of_a_secret_reaches_the_server_and_nothing_else(secrets: SecretServer, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    secrets.held = f"{KEY}\n".encode()
    with ScriptedServer() as server:
        spec = pickle.loads(pickle.dumps(replace(SPEC, endpoint=server.endpoint)))
        captioner = spec.load(AnswerStore(str(tmp_path), spec.digest))
        (outcome,) = captioner.caption("0" * 32, [CaptionTask(b"image", "PNG", "A red boat", "")])
        captioner.close()
    assert isinstance(outcome, Answer)
    assert server.calls[0].headers["Authorization"] == f"Bearer {KEY}"
    assert secrets.asked == [NAME]
    told = [repr(spec), repr(captioner), repr(vars(captioner)), spec.digest, str(pickle.dumps(spec)), caplog.text]
    stored = [path.read_text() + str(path) for path in tmp_path.rglob("*.jsonl")]
    assert len(stored) == 1
    assert KEY not in "".join(told + stored)


def test_the_clients_own_log_holds_no_secret_even_where_it_is_asked_for_everything(secrets: SecretServer):
    told: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(f"{record.getMessage()} {vars(record)}")

    logger, keeper = logging.getLogger("google"), Keeper()
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(keeper)
    try:
        ChatSpec("http://x/v1", "m", api_key_secret=NAME).load().close()
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(level)
    assert secrets.asked == [NAME]
    assert not [line for line in told if KEY in line or b64encode(KEY.encode()).decode() in line]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_server_that_repeats_the_key_does_not_bring_it_into_a_message(secrets: SecretServer, status: int):
    with ScriptedServer(lambda call: error(status, f"you sent {call.headers['Authorization']}")) as server:
        spec = ChatSpec(server.endpoint, "m", retries=0, api_key_secret=NAME)
        with spec.load() as client, pytest.raises(EnvironmentFault, match="you sent") as caught:
            client.check()
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "name",
    [
        KEY, "captioner_key", "projects/p/secrets/s", "projects/p/secrets/s/versions/", "projects//secrets/s/versions/1",
        "projects/p/secrets/s/versions/1/extra", f"{NAME}\n", f" {NAME}",
        "projects/P p/secrets/s/versions/1", "projects/p/secrets/{x}/versions/1",
        "https://secretmanager.googleapis.com/v1/projects/p/secrets/s/versions/1",
    ],
)  # fmt: skip
def test_what_names_no_version_of_a_secret_is_refused_before_anything_is_asked_and_is_not_quoted(secrets: SecretServer, name: str):
    message = fault_of(ChatSpec("http://x/v1", "m", api_key_secret=name).load)
    assert "captioner.api_key_secret" in message
    assert "projects/P/secrets/S/versions/V" in message
    assert name.strip() not in message
    assert secrets.asked == []


@pytest.mark.parametrize("name", ["projects/123/secrets/a-B_9/versions/latest", "projects/example.com:p-1/secrets/s/versions/alias_1"])
def test_a_version_may_be_named_by_number_latest_or_alias(secrets: SecretServer, name: str):
    ChatSpec("http://x/v1", "m", api_key_secret=name).load().close()
    assert secrets.asked == [name]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "add-iam-policy-binding captioner_key --project=harbour-1"),
        (grpc.StatusCode.PERMISSION_DENIED, "roles/secretmanager.secretAccessor"),
        (grpc.StatusCode.NOT_FOUND, "gcloud secrets versions list captioner_key --project=harbour-1"),
        (grpc.StatusCode.FAILED_PRECONDITION, "gcloud secrets versions list captioner_key --project=harbour-1"),
        (grpc.StatusCode.UNAUTHENTICATED, "gcloud auth application-default login"),
        (grpc.StatusCode.INTERNAL, "run the same command again"),
    ],
)
def test_a_secret_that_cannot_be_read_stops_the_run_and_the_message_says_what_to_do(
    secrets: SecretServer, status: grpc.StatusCode, advice: str
):
    secrets.held = status
    message = fault_of(ChatSpec("http://x/v1", "m", api_key_secret=NAME).load)
    assert NAME in message
    assert f"{status.name.lower()} on resource" in message
    assert advice in message


def test_a_machine_without_credentials_is_told_how_to_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    message = fault_of(ChatSpec("http://x/v1", "m", api_key_secret=NAME).load)
    assert DefaultCredentialsError.__name__ in message
    assert "gcloud auth application-default login" in message


@pytest.mark.parametrize("held", [b"", b" \n", f"{KEY}\nX-Other: 1".encode(), f"{KEY}é".encode(), b"\xff\xfe" + KEY.encode()])
def test_a_secret_that_holds_no_key_is_an_environment_fault_that_does_not_quote_it(secrets: SecretServer, held: bytes):
    secrets.held = held
    with pytest.raises(EnvironmentFault) as caught:
        ChatSpec("http://x/v1", "m", api_key_secret=NAME).load()
    assert NAME in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_an_address_that_is_none_is_refused_before_a_secret_is_asked_for(secrets: SecretServer):
    assert "captioner.endpoint" in fault_of(ChatSpec("nowhere", "m", api_key_secret=NAME).load)
    assert secrets.asked == []


@pytest.mark.parametrize("endpoint", ["http://x/v1", "embedded"])
def test_two_keys_are_refused_without_being_quoted(secrets: SecretServer, endpoint: str):
    spec = replace(SPEC, endpoint=endpoint, model="" if endpoint == "embedded" else "m", api_key_env="CHAT_TEST_KEY")
    with pytest.raises(ValueError, match=r"captioner\.api_key_env and captioner\.api_key_secret") as caught:
        spec.resolved()
    assert NAME not in str(caught.value)
    assert secrets.asked == []


def test_a_job_that_names_two_keys_is_refused_as_a_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    keys = ["--set=captioner.api_key_env=CHAT_TEST_KEY", f"--set=captioner.api_key_secret={NAME}"]
    assert main([f"--input={tmp_path}", "--output", str(tmp_path / "out"), "--dry_run", *keys]) == 2
    assert "refused: 'captioner': captioner.api_key_env and captioner.api_key_secret" in capsys.readouterr().err


def test_a_model_without_a_key_asks_for_no_secret(secrets: SecretServer):
    with ScriptedServer(answer) as server:
        replace(SPEC, endpoint=server.endpoint, api_key_secret="").check()
    assert secrets.asked == []
