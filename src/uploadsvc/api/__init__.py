"""The HTTP contract: routes, wire schemas, problems."""
