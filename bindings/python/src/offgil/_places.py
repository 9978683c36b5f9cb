"""dask's own waits: a task that is in one gives its place up, as in `Future.result`."""

from __future__ import annotations

import sys
from typing import Any

from offgil._waits import without_place


def let_dask_give_places_up() -> None:
    """Lets a task compute on its own pool: `dask.local` waits there by a queue, and would keep the place."""
    local: Any = sys.modules["dask.local"]
    wait = getattr(local, "queue_get", None)
    if wait is None or hasattr(wait, "gives_places_up"):
        return

    def queue_get(q: Any) -> Any:
        with without_place():
            return wait(q)

    queue_get.gives_places_up = True  # type: ignore[attr-defined]
    local.queue_get = queue_get
