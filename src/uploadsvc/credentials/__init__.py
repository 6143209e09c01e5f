"""The credentials that sign, kept fresh."""
