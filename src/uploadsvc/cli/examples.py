"""Examples at the end of a command's help."""


def examples(*lines: str) -> str:
    """Return an epilog: a command in each line, with a comment above it or none."""
    # Rich reads brackets as markup.
    return "\n".join(("Examples:", "", *lines)).replace("[", r"\[")
