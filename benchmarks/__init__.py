"""Measurements: what leaks, what is kept, and how fast. See ``results/README.md``."""
