"""Models are loaded once in each worker process, whatever the number of steps and threads that use them."""

import functools
import threading
from collections.abc import Hashable
from typing import Any, Protocol, TypeVar, cast

from schemas.exits import EnvironmentFault

T_co = TypeVar("T_co", covariant=True)
_loading = threading.Lock()


class Spec(Protocol[T_co]):
    """A frozen, hashable description of a model."""

    def load(self) -> T_co:
        """Return the model, ready."""
        ...


def loaded(spec: Spec[T_co]) -> T_co:
    """Return the model of ``spec``, loading it at the first call in this process."""
    with _loading:
        return cast(T_co, _load(cast(Hashable, spec)))


@functools.cache
def _load(spec: Any) -> Any:
    try:
        return spec.load()
    except EnvironmentFault:
        raise
    except Exception as error:  # whatever a library raises here, no sample is to blame for it
        raise EnvironmentFault(f"{spec} cannot be loaded: {type(error).__name__}: {error}; run: make doctor") from error
