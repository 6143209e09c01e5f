"""``python -m uploadsvc``."""

from uploadsvc.cli import main

main()
