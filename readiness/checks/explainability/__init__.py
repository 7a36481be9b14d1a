"""Checks of the explainability dimension; one file is one check."""
