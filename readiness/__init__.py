"""Production-readiness reviews of tabular machine-learning models."""

__version__ = "0.1.0"
