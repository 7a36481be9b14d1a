"""Where the pieces of a table are counted when not here: workers of a Dask cluster."""

import atexit
import platform
from concurrent.futures import Executor
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from readiness import __version__
from readiness.errors import ReadinessError, Reason

WAIT_S = 15


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
        A task whose worker dies is given to another one, three times at most.

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
                dashboard_address=None,
            )
            atexit.register(where.close)
        client: Any = Client(  # type: ignore[no-untyped-call]  # distributed has few types
            where, timeout=WAIT_S, set_as_default=False
        )
        atexit.register(client.close)
        _require_same(client.run(versions))
    except (OSError, TimeoutError, ValueError) as cause:
        msg = (
            f"The cluster {address!r} does not answer: {str(cause)[:200]}. "
            "Start its scheduler, or leave --cluster out."
        )
        raise ReadinessError(msg, Reason.CLUSTER) from cause
    found: Executor = client.get_executor(pure=False, retries=3)
    return found


def versions() -> dict[str, str]:
    """Return the versions that decide whether two processes count alike."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "readiness": __version__,
        "python": python,
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
    }


def _require_same(found: dict[str, dict[str, str]]) -> None:
    if not found:
        msg = "The cluster has a scheduler and no workers. Start some."
        raise ReadinessError(msg, Reason.CLUSTER)
    own = versions()
    for worker, theirs in found.items():
        other = {name: one for name, one in theirs.items() if own[name] != one}
        if other:
            listed = ", ".join(f"{name} {one}" for name, one in other.items())
            msg = (
                f"The worker {worker} has {listed}; here it is "
                f"{', '.join(f'{name} {own[name]}' for name in other)}. "
                "Install the same versions on every worker."
            )
            raise ReadinessError(msg, Reason.CLUSTER)
