"""Checks of new rows against a monitoring plan."""
