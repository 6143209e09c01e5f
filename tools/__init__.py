"""Generators of documentation. They are not part of the package."""
