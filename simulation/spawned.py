"""An executor of spawned processes that die with their owner and can be killed.

``concurrent.futures.ProcessPoolExecutor`` leaves its workers behind when its process is killed,
and cannot stop a task that runs. A validation must leave no simulation behind, however it ends.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

from models.errors import XanhError
from simulation.guard import die_with_parent

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Call = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class SpawnedProcesses(Executor):
    """Up to ``workers`` calls at a time, each in a process that serves one call after another.

    A process that dies fails the call that it was at, with its exit code, and is replaced.
    """

    def __init__(self, workers: int) -> None:
        self.workers = max(1, workers)
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._running: set[_Worker] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Queue a call; function, arguments and result must be picklable."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        future: Future[_T] = Future()
        self._calls.put((future, fn, args, kwargs))
        if len(self._threads) < self.workers:
            thread = threading.Thread(target=self._serve, name="simulations", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls and, if asked, wait for those that are left."""
        self._closed = True
        if cancel_futures:
            self._cancel_waiting()
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def kill(self) -> None:
        """Drop what waits, and end what runs at once; their futures fail."""
        self._closed = True
        self._cancel_waiting()
        with self._lock:
            for worker in self._running:
                worker.process.kill()
        self.shutdown()

    def _cancel_waiting(self) -> None:
        while True:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            if call is not None:
                call[0].cancel()

    def _serve(self) -> None:
        """One slot: its thread owns one process and lives as long as that (``die_with_parent``)."""
        worker: _Worker | None = None
        while (call := self._calls.get()) is not None:
            future, function, args, kwargs = call
            if not future.set_running_or_notify_cancel():
                continue
            if worker is None:
                worker = _Worker()
                with self._lock:
                    self._running.add(worker)
                    if self._closed:
                        worker.process.kill()
            try:
                result = worker.call(function, args, kwargs)
            except _WorkerGone as error:
                future.set_exception(XanhError(f"a simulation's process {error}"))
                self._retire(worker)
                worker = None
            except BaseException as error:  # whatever the call raised belongs to its future
                future.set_exception(error)
            else:
                future.set_result(result)
        if worker is not None:
            self._retire(worker)

    def _retire(self, worker: _Worker) -> None:
        with self._lock:
            self._running.discard(worker)
        worker.close()


class _WorkerGone(Exception):
    """The process ended without an answer."""


class _Worker:
    """One spawned process and the pipe to it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            self._pipe.send((function, args, kwargs))
            done, value = self._pipe.recv()
        except (EOFError, OSError):
            self.process.join(5)
            raise _WorkerGone(f"ended with code {self.process.exitcode}") from None
        if not done:
            raise value
        return value

    def close(self) -> None:
        self._pipe.close()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _work(pipe: Connection) -> None:
    """The child: one call after another until the pipe closes."""
    die_with_parent()
    # Ctrl-C reaches the whole group; the owner decides what becomes of the calls.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            function, args, kwargs = pipe.recv()
        except EOFError:
            return
        try:
            answer = (True, function(*args, **kwargs))
        except Exception as error:
            answer = (False, error)
        pipe.send(answer)
