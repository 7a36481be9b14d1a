"""Checks of the drift dimension; one file is one check."""
