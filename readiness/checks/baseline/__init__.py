"""Checks of the baseline dimension; one file is one check."""
