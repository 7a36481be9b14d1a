"""Take the picture of the verdict page for the README, from the newest run."""

import shutil
import subprocess
import sys
from pathlib import Path

WINDOW = "1280,800"  # the first screen: the decision record
MOST_BYTES = 300_000


def main(case: Path, picture: Path) -> None:
    """Write `picture` from the newest published run below `case`."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("Chromium is needed to take the picture: make browser")
    run = (case / "latest").read_text(encoding="utf-8").strip()
    index = (case / run / "index.html").resolve()
    picture.parent.mkdir(parents=True, exist_ok=True)
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
        f"--window-size={WINDOW}",
        f"--screenshot={picture.resolve()}",
        index.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 (a browser on our own page)
    if picture.stat().st_size > MOST_BYTES:
        sys.exit(f"The picture has more than {MOST_BYTES} bytes.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
