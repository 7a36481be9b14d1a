"""Where the files of a table are worked on when not here: a Dask cluster's workers."""

import atexit
import io
import pickle
import platform
from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from functools import cache
from importlib.metadata import version
from threading import Event
from typing import Any, ClassVar

import pyarrow as pa

from readiness import __version__
from readiness.errors import InputError, ReadinessError, Reason

WAIT_S = 15
RETRIES = 3
PACKAGES = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


class Workers(Executor):
    """The workers of a cluster as an executor.

    A task whose worker dies is given to another one, three times at most, and so is
    one that fails.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 (distributed has few types)
        self._client = client
        self._inner: Executor = client.get_executor(pure=False, retries=RETRIES)

    def submit(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,  # noqa: ANN401 (whatever the task takes)
        **kwargs: Any,  # noqa: ANN401 (whatever the task takes)
    ) -> Future[Any]:
        """Give one task to the workers."""
        return self._inner.submit(fn, *args, **kwargs)

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: float | None = None,  # noqa: ARG002 (the executor's own signature)
        chunksize: int = 1,  # noqa: ARG002 (the executor's own signature)
    ) -> Iterator[Any]:
        """Yield results in order; tasks start when the first result is asked for.

        Few tasks are given at a time, two for each thread of the cluster: a result
        waits at its worker, so this process holds one, however many files there are.

        Raises
        ------
        InputError
            When a worker cannot read its file.
        ReadinessError
            CLUSTER when a task cannot be sent, when it ends its workers, or when no
            worker is left.
        """
        waiting: deque[Any] = deque()
        most = 2 * sum(self._client.nthreads().values())
        work = _packed(fn)
        try:
            for given in zip(*iterables, strict=False):
                waiting.append(
                    self._client.submit(
                        _run, work, _packed(given), pure=False, retries=RETRIES
                    )
                )
                if len(waiting) > most:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            self._client.cancel(list(waiting))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 (the executor's own signature)
        """Leave the cluster; it goes on without this process."""
        self._client.close()

    def _result(self, future: Any) -> Any:  # noqa: ANN401 (whatever the task returns)
        from distributed import KilledWorker  # noqa: PLC0415 (an extra)

        done = Event()
        future.add_done_callback(lambda _: done.set())
        try:
            while not done.wait(WAIT_S):
                self._require_workers()
            return future.result()
        except InputError as cause:
            msg = f"{cause} A worker says so: its paths must be the same as here."
            raise InputError(msg, cause.code) from cause
        except KilledWorker as cause:
            msg = (
                f"A task ended {RETRIES + 1} workers of the cluster, one after another."
                " Give them more memory, or smaller files."
            )
            raise ReadinessError(msg, Reason.CLUSTER) from cause
        except CancelledError as cause:
            msg = "The cluster was lost while it worked. Start it, and run again."
            raise ReadinessError(msg, Reason.CLUSTER) from cause

    def _require_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=WAIT_S)
        except (TimeoutError, OSError) as cause:
            msg = f"The cluster has had no worker for {WAIT_S} s. Start some."
            raise ReadinessError(msg, Reason.CLUSTER) from cause


def _packed(what: object) -> bytes:
    """Return a task as bytes, with what a notebook defined.

    Left to Dask, a task that a worker cannot open would wait for ever, and rows in
    memory would travel with the whole table that they are a slice of.
    """
    import cloudpickle  # type: ignore[import-untyped]  # noqa: PLC0415 (comes with distributed, has no types)

    class Packer(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        dispatch_table: ClassVar = ChainMap(
            {pa.Table: _as_stream}, cloudpickle.Pickler.dispatch_table
        )

    sink = io.BytesIO()
    Packer(sink).dump(what)
    return sink.getvalue()


def _as_stream(rows: pa.Table) -> tuple[Callable[[pa.Buffer], pa.Table], tuple[Any]]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return _of_stream, (sink.getvalue(),)


def _of_stream(content: pa.Buffer) -> pa.Table:
    with pa.ipc.open_stream(content) as stream:
        return stream.read_all()


def _run(work: bytes, given: bytes) -> Any:  # noqa: ANN401 (whatever the task returns)
    try:
        fn, arguments = pickle.loads(work), pickle.loads(given)  # noqa: S301 (a task of the process that sent it)
    except (ImportError, AttributeError) as cause:
        msg = (
            f"A worker of the cluster cannot open its task: {str(cause)[:200]}. "
            "Install what is missing on every worker."
        )
        raise ReadinessError(msg, Reason.CLUSTER) from cause
    return fn(*arguments)


@cache
def executor(address: str) -> Executor:
    """Return the executor of a cluster; it stays open as long as this process.

    Parameters
    ----------
    address : str
        ``"tcp://host:port"`` of a Dask scheduler; or ``"local"``, which starts one
        worker process per core here and ends them with this process.

    Returns
    -------
    concurrent.futures.Executor
        As `Workers`.

    Raises
    ------
    ReadinessError
        CLUSTER when ``distributed`` is not installed, no scheduler answers, or a
        worker has other versions than this process: then numbers could differ.
    """
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 (an extra)
    except ImportError:
        msg = "Runs on a cluster need 'distributed'. Install readiness[cluster]."
        raise ReadinessError(msg, Reason.CLUSTER) from None
    try:
        where: Any = address
        if address == "local":
            where = LocalCluster(  # type: ignore[no-untyped-call]  # distributed has few types
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # None would ask for port 8787
            )
            atexit.register(where.close)
        client: Any = Client(  # type: ignore[no-untyped-call]  # distributed has few types
            where, timeout=WAIT_S, set_as_default=False
        )
        workers = Workers(client)
        atexit.register(workers.shutdown)
        _require_same(client)
    except (OSError, TimeoutError, ValueError) as cause:
        msg = (
            f"The cluster {address!r} does not answer: {str(cause)[:200]}. "
            "Start its scheduler, or leave --cluster out."
        )
        raise ReadinessError(msg, Reason.CLUSTER) from cause
    return workers


def versions() -> dict[str, str]:
    """Return the versions that decide whether two processes count and score alike."""
    python = ".".join(platform.python_version_tuple()[:2])
    own = {"readiness": __version__, "python": python}
    return own | {name: version(name) for name in PACKAGES}


def _require_same(client: Any) -> None:  # noqa: ANN401 (distributed has few types)
    found: dict[str, Any] = client.run(versions, on_error="return")
    if not found:
        msg = "The cluster has a scheduler and no workers. Start some."
        raise ReadinessError(msg, Reason.CLUSTER)
    own = versions()
    for worker, theirs in found.items():
        if isinstance(theirs, Exception):
            msg = (
                f"The worker {worker} cannot use readiness: {str(theirs)[:200]}. "
                "Install the same version on every worker."
            )
            raise ReadinessError(msg, Reason.CLUSTER)
        other = {name: one for name, one in theirs.items() if own[name] != one}
        if other:
            listed = ", ".join(f"{name} {one}" for name, one in other.items())
            msg = (
                f"The worker {worker} has {listed}; here it is "
                f"{', '.join(f'{name} {own[name]}' for name in other)}. "
                "Install the same versions on every worker."
            )
            raise ReadinessError(msg, Reason.CLUSTER)
