"""Markdown tables of what each store supports, for docs/providers.md."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from uploadsvc.domain.checksums import ALGORITHMS
from uploadsvc.domain.providers import GIB, TIB, Provider

_Cell = Callable[[Provider], bool | str]


def store_tables(stores: Iterable[Provider]) -> str:
    """Return the tables: one row per capability, one column per store."""
    columns = list(stores)
    return "\n".join(_table(heading, rows, columns) for heading, rows in _TABLES.items())


def _table(heading: str, rows: Mapping[str, _Cell], stores: list[Provider]) -> str:
    lines = [
        f"## {heading}",
        "",
        _line("", *(f"`{store.name}`" for store in stores)),
        "|---" * (len(stores) + 1) + "|",
    ]
    lines += [_line(name, *(_worded(cell(store)) for store in stores)) for name, cell in rows.items()]
    return "\n".join([*lines, ""])


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _worded(value: bool | str) -> str:  # noqa: FBT001 - a cell's value
    if isinstance(value, str):
        return value
    return "yes" if value else "**no**"


def _algorithms(known: frozenset[str]) -> bool | str:
    if known >= set(ALGORITHMS):
        return "all"
    return ", ".join(f"`{name}`" for name in ALGORITHMS if name in known) or False


def _size(count: int) -> str:
    return f"{count // TIB} TiB" if count % TIB == 0 else f"{count / GIB:,.0f} GiB"


# Fields of a form count only if the store takes forms, and tags of a form only if it has tags.
_TABLES: Final[Mapping[str, Mapping[str, _Cell]]] = {
    "Uploads": {
        "forms (POST policies)": lambda store: store.post_policies,
        "can refuse to overwrite (`If-None-Match: *`)": lambda store: store.conditional_writes,
        "checksums of a PUT": lambda store: _algorithms(store.checksum_algorithms),
        "checksums in a form": lambda store: (
            store.post_policies and store.form_checksums and _algorithms(store.checksum_algorithms)
        ),
        "checksums of parts": lambda store: _algorithms(store.part_checksums),
        "canned ACLs": lambda store: store.acls,
        "tags": lambda store: store.tagging,
        "tags in a form": lambda store: store.post_policies and store.tagging and store.form_tags,
        "keeps the type `application/octet-stream`": lambda store: store.keeps_octet_stream,
        "STS that enforces session policies": lambda store: store.session_policies,
        "longest part of a key between slashes": lambda store: f"{store.max_segment_bytes} bytes",
        "an object `a` beside an object `a/b`": lambda store: not store.keys_are_paths,
        "largest object": lambda store: _size(store.max_object_size),
        "default region with an endpoint URL": lambda store: f"`{store.default_region}`",
    },
    "Bucket rules and permissions": {
        "`public-access`": lambda store: store.public_access_block,
        "`BlockPublicAcls` in it": lambda store: (
            store.public_access_block
            and ("left as it is" if store.blocks_public_acls is None else store.blocks_public_acls)
        ),
        "`ownership`": lambda store: store.ownership_controls,
        "`bucket-policy`": lambda store: store.policy_conditions,
        "`cors`": lambda store: store.cors_rules,
        "`lifecycle`": lambda store: store.lifecycle_rules,
        "`queue`, `queue-policy`, `notifications`": lambda store: store.queue_notifications,
        "`uploadsvc iam-policy`": lambda store: store.iam,
        "AWS KMS keys": lambda store: store.kms,
    },
}
