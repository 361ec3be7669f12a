"""The published schemas of Kubernetes are read once for all tests: their definitions have 2 MB."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import kubernetes_validate.utils
import pytest


@pytest.fixture(scope="session", autouse=True)
def schemas_are_read_once() -> Iterator[None]:
    read = kubernetes_validate.utils.schema_contents
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", lru_cache(maxsize=None)(read))
        yield
