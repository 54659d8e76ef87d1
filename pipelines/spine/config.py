"""A job file becomes frozen dataclasses, or is refused with the path of the key that is wrong.

Unknown keys, wrong types and missing keys are found before the first sample is read; a misspelt key is answered with
the right one.
"""

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

T = TypeVar("T")


class ConfigError(ValueError):
    """A job file or a flag says something that the job does not understand."""


def build(kind: type[T], values: Mapping[str, Any], path: str = "") -> T:
    """Return the dataclass ``kind`` made from ``values``, nested sections included.

    Raises ``ConfigError`` that names the full path of the first key that is unknown, missing or of a wrong type.
    """
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, kind)) if f.init}
    for key in values:
        if key not in fields:
            raise ConfigError(f"unknown key {_at(path, key)!r}{suggestion(key, fields)}")
    missing = [name for name, f in fields.items() if name not in values and _is_required(f)]
    if missing:
        raise ConfigError(f"missing key {_at(path, missing[0])!r}: expected {_name(hints[missing[0]])}")
    found = {name: _value(hints[name], value, _at(path, name)) for name, value in values.items()}
    try:
        return kind(**found)
    except ValueError as error:
        raise ConfigError(f"{path!r}: {error}" if path else str(error)) from error


def read_yaml(text: str, origin: str) -> dict[str, Any]:
    """Return the mapping in a job file; ``origin`` names it in errors."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{origin} must hold a mapping of sections, found {type(values).__name__}")
    return values


def override(values: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return ``values`` with each ``a.b=c`` of ``settings`` laid over them; c is read as YAML."""
    result = dict(values)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set expects a.b=value, found {setting!r}")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {key}: {text!r} is not YAML: {error}") from error
        result = put(result, key, value)
    return result


def put(values: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return ``values`` with ``value`` at the path ``key``, as in ``a.b``."""
    return _with(values, key.split("."), value, key)


def to_plain(value: Any) -> Any:
    """Return a config as the mappings, lists and scalars that its YAML would hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    return [to_plain(v) for v in value] if isinstance(value, (tuple, list)) else value


def resolved(job: Any) -> bytes:
    """Return ``job`` as YAML with every default spelled out; the output folder is where the file lies and stays out."""
    plain = to_plain(job)
    del plain["output"]["folder"]
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode()


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` for the nearest of ``known``, or the list of them."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(sorted(known))}"


def _with(values: Mapping[str, Any], path: Sequence[str], value: Any, whole: str) -> dict[str, Any]:
    head, *rest = path
    inner = values.get(head, {})
    if rest and not isinstance(inner, Mapping):
        raise ConfigError(f"--set {whole}: {head!r} is a value, not a section")
    return {**values, head: _with(inner, rest, value, whole) if rest else value}


def _value(hint: Any, value: Any, path: str) -> Any:
    section = _section(hint)
    if section is not None and isinstance(value, Mapping):
        if typing.get_origin(hint) is Mapping:
            return {name: _value(section, each, _at(path, name)) for name, each in value.items()}
        return build(section, value, path)
    try:
        return TypeAdapter(hint, config=None if section else ConfigDict(strict=True)).validate_python(_hashable(value))
    except ValidationError as error:
        raise ConfigError(f"{path!r}: expected {_name(hint)}, found {value!r} ({error.errors()[0]['msg']})") from error


def _section(hint: Any) -> Any:
    """Return the dataclass behind ``X`` or ``X | None``, None if there is none."""
    return next((kind for kind in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(kind)), None)


def _hashable(value: Any) -> Any:
    return tuple(_hashable(v) for v in value) if isinstance(value, list) else value


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint)) if not typing.get_args(hint) else str(hint)
