"""Nothing that a model wrote is ever executed: no module calls what turns text into code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("synth", "filters", "pipelines", "jobs", "schemas")
FORBIDDEN = {"eval", "exec", "sympify", "parse_expr"}


def calls(tree: ast.AST) -> Iterator[str]:
    """Yield the forbidden calls; ``eval`` of an object is one only with an argument, since a torch model has a method of that name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in FORBIDDEN and (node.args or isinstance(node.func, ast.Name)):
                yield name


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_no_module_executes_text() -> None:
    assert len(modules()) > 50
    found = {str(path.relative_to(ROOT)): list(calls(ast.parse(path.read_text()))) for path in modules()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("text", ["eval(x)", "sympy.sympify(answer)", "parse_expr('1')", "builtins.exec(y)"])
def test_such_a_call_would_be_found(text: str) -> None:
    assert list(calls(ast.parse(text)))
