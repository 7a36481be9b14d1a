"""Checks of the stress dimension; one file is one check."""
