"""Pictures for the README and the docs, of the demo page and of a terminal. They show real runs."""
