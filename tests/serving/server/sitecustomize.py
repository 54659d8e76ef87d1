"""Lets the server's processes import a torchvision whose own library cannot be loaded; found by its name on their PYTHONPATH.

The torchvision that package registries carry is built for CUDA. Beside a torch for CPU its compiled operators are missing, and
``import torchvision`` fails where it says what they return. Declaring them first is enough: no model here calls them.
"""

import importlib.abc
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any


class DeclareOperators(importlib.abc.MetaPathFinder):
    """Declares the operators when torchvision is first imported, and finds no module itself."""

    library: Any = None
    """Holds the declarations: they go with it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == "torchvision" and self.library is None:
            import torch

            self.library = torch.library.Library("torchvision", "FRAGMENT")
            if torch.version.cuda is None:
                for operator in ("nms", "qnms"):
                    self.library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


sys.meta_path.insert(0, DeclareOperators())
