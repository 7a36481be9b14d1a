"""These tests need Spark: they run when asked for by name, else are deselected."""

import pytest


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Deselect, and say so, unless ``-m integration`` was given."""
    if "integration" in config.getoption("markexpr"):
        return
    out = [one for one in items if one.get_closest_marker("integration")]
    items[:] = [one for one in items if one not in out]
    config.hook.pytest_deselected(items=out)
