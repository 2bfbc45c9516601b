"""Simulations on a Dask cluster instead of in processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from models.errors import BadInput, XanhError

_CONNECT_S = 10


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected cluster: where calls go, and how many it runs at a time."""

    executor: Executor
    workers: int


@contextmanager
def connect(address: str) -> Iterator[Cluster]:
    """The cluster whose scheduler listens at an address like ``tcp://host:8786``.

    Its workers need this package, SUMO, and the site's and the output's folder at the same path.

    Raises:
        BadInput: If Dask is not installed, or nothing answers there.
        XanhError: If the cluster has no worker.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError:
        raise BadInput(
            "--cluster", address, "Dask is not installed; valid with pip install 'xanh[dask]'"
        ) from None
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            "--cluster", address, f"cannot be reached ({reason}); valid is tcp://HOST:PORT"
        ) from None
    with client:
        slots = sum(client.nthreads().values())
        if not slots:
            raise XanhError(f"the cluster at {address} has no worker: dask worker {address}")
        yield Cluster(client.get_executor(retries=0), slots)
