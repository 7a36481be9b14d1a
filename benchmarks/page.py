"""What the scripts of this folder share: the page, and the cost of a process."""

import time
from pathlib import Path

REPORT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MB = 1024  # the system counts in kilobytes


def write_section(title: str, text: str) -> None:
    """Replace the section of the page that begins with `title`, or add it."""
    page = REPORT.read_text(encoding="utf-8")
    before, found, after = page.partition(f"{title}\n")
    rest = after.partition("\n## ")
    kept = f"\n## {rest[2]}" if found and rest[1] else ""
    REPORT.write_text(f"{before.rstrip()}\n\n{text}{kept}", encoding="utf-8")


def own_cost() -> tuple[float, float]:
    """Return CPU seconds of this process, and its peak memory in MB since it began."""
    # Not ru_maxrss, which counts the parent's memory as well.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(one for one in status.splitlines() if one.startswith("VmHWM"))
    return time.process_time(), int(peak.split()[1]) / MB
