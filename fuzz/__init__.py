"""Fuzz targets: what parses text of callers, stores and operators ("Fuzzing" in CONTRIBUTING.md)."""
