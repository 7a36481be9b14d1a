"""PUBLISH: what a notebook prints and displays, kept within bounds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_TEXT_CHARS = 100_000  # per cell, of printed text and error output
MAX_DATA_CHARS = 4_000_000  # per cell, of displayed tables and figures


@dataclass(slots=True, kw_only=True, eq=False)
class _Cell:
    """What one cell has put out so far; `cut` is the text that ends with a notice."""

    text: int = 0
    data: int = 0
    left_out_chars: int = 0
    left_out_lines: int = 0
    cut: Any = None
    kept: str = ""


def cap_outputs() -> None:
    """Make this process keep only the first part of what each cell puts out.

    nbclient keeps every output of a cell in memory and writes all of it to disk after
    each cell, without a limit. It offers no setting and no hook, so the one function
    through which outputs pass is replaced here, in the notebook's own process.
    """
    from nbclient import client  # noqa: PLC0415 (heavy)

    convert = client.output_from_msg  # type: ignore[attr-defined]  # imported there
    client.output_from_msg = capped(convert)  # type: ignore[attr-defined]  # the same


def capped(convert: Callable[[Any], Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Return `convert` with bounds on what it gives for the messages of one cell.

    Parameters
    ----------
    convert : callable
        Message to output, as ``nbformat.v4.output_from_msg``.

    Returns
    -------
    callable
        Gives None for what is left out. The first text cut in a cell ends with a
        notice that counts what came after it.
    """
    cells: dict[str, _Cell] = {}

    def convert_within_bounds(msg: Mapping[str, Any]) -> Any:  # noqa: ANN401 (nbformat has no types)
        key = str(msg["parent_header"].get("msg_id"))
        if key not in cells:
            cells.clear()  # cells run one after the other
            cells[key] = _Cell()
        output = convert(msg)
        if output.output_type == "stream":
            return _stream(cells[key], output)
        if output.output_type == "error":
            return _error(output)
        return _data(cells[key], output)

    return convert_within_bounds


def _stream(cell: _Cell, output: Any) -> Any:  # noqa: ANN401 (nbformat has no types)
    room = max(MAX_TEXT_CHARS - cell.text, 0)
    cell.text += len(output.text)
    if len(output.text) <= room:
        return output
    rest = output.text[room:]
    cell.left_out_chars += len(rest)
    cell.left_out_lines += rest.count("\n")
    is_first = cell.cut is None
    if is_first:
        cell.cut, cell.kept = output, output.text[:room]
    cell.cut.text = (
        f"{cell.kept}\n[{cell.left_out_lines:,} more lines "
        f"({cell.left_out_chars:,} characters) left out]\n"
    )
    return output if is_first else None


def _error(output: Any) -> Any:  # noqa: ANN401 (nbformat has no types)
    output.traceback = [str(line)[:MAX_TEXT_CHARS] for line in output.traceback]
    output.evalue = str(output.evalue)[:MAX_TEXT_CHARS]
    return output


def _data(cell: _Cell, output: Any) -> Any:  # noqa: ANN401 (nbformat has no types)
    size = sum(len(str(value)) for value in output.data.values())
    cell.data += size
    if cell.data > MAX_DATA_CHARS:
        output.data = {"text/plain": f"[an output of {size:,} characters left out]"}
        output.metadata = {}
    return output
