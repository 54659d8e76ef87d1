"""One model and one server for the whole session; a test that fails shows the end of the server's log."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.serving import vllm_server


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vllm_server.make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[vllm_server.Server]:
    with vllm_server.serve(model, tmp_path_factory.mktemp("server") / "vllm.log") as server:
        yield server


@pytest.fixture
def mortal(model: Path, tmp_path: Path) -> Iterator[vllm_server.Server]:
    """A server of the same model that a test may kill."""
    with vllm_server.serve(model, tmp_path / "vllm.log") as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections += [
            (f"log of {used.endpoint}", used.tail()) for used in item.funcargs.values() if isinstance(used, vllm_server.Server)
        ]
    return report
