"""A worker process and the service that started it: what to do once that is gone."""

from __future__ import annotations

import multiprocessing as mp
import queue
from contextlib import suppress
from multiprocessing.queues import Queue
from typing import Final, TypeVar

_T = TypeVar("_T")
SERVICE_CHECK_S: Final = 5.0
"""Who waits for the service looks so often whether it is still there."""


def service_gone() -> bool:
    """Whether the process that started this one has ended, killed or not."""
    parent = mp.parent_process()
    return parent is not None and not parent.is_alive()


def tell(reports: Queue[_T], report: _T) -> None:
    """Report to the service, in time as it takes reports; to nobody once it is gone."""
    while not service_gone():
        with suppress(queue.Full):
            reports.put(report, timeout=SERVICE_CHECK_S)
            return


def let_go(reports: Queue[_T]) -> None:
    """End without waiting until somebody reads what was reported, if nobody is left to."""
    if service_gone():
        reports.cancel_join_thread()
