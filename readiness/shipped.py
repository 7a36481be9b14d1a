"""Where the shipped templates and notebooks are: in the checkout or in the wheel."""

from pathlib import Path


def shipped(folder: str) -> Path:
    """Return the path of a shipped folder, ``"templates"`` or ``"notebooks"``.

    Parameters
    ----------
    folder : str
        Its name at the top of the checkout; a wheel holds it under ``_shipped``.

    Raises
    ------
    FileNotFoundError
        When the installation lacks it.
    """
    package = Path(__file__).parent
    for place in (package / "_shipped" / folder, package.parent / folder):
        if place.is_dir():
            return place
    msg = f"The folder {folder!r} is missing from this installation. Install it again."
    raise FileNotFoundError(msg)
