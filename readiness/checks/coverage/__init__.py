"""Checks of the coverage dimension; one file is one check."""
