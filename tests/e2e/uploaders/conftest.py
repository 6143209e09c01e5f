"""A browser, and the packages in it."""

from typing import Final

import pytest
from tests.support.pages import examples, text_of
from tests.support.stores import s3
from tests.support.uploaders.packages import STAMP, UPLOADERS, Bundled, bundle

__all__ = ["s3"]

ADDRESS: Final = '"https://uploads.example.com"'
_UPPY: Final = examples(text_of("docs/uppy.md"), "js")
GUIDES: Final = {
    "uppy6": "".join(_UPPY[:-1]),
    "uppy5": _UPPY[-1],
    "better-upload": "".join(examples(text_of("docs/better-upload.md"), "js")),
}
"""What our pages tell of each package."""

# What a guide leaves to whoever copies it: where the service is, and a login.
_PRELUDE: Final = """const config = await (await fetch("/config")).json();
const getToken = async () => config.token;
"""


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Bundled:
    """Give what bundles a package's page, ``uppy6`` for one, once, with the examples of its guide."""
    if not STAMP.exists():
        pytest.skip(f"the uploaders are not installed: make {STAMP.relative_to(UPLOADERS.parent.parent)}")
    directory, made = tmp_path_factory.mktemp("guides"), dict[str, bytes]()

    async def of(name: str) -> bytes:
        if name not in made:
            guide = directory / f"{name}.js"
            guide.write_text(_PRELUDE + GUIDES[name].replace(ADDRESS, "config.service"), encoding="utf-8")
            made[name] = await bundle(UPLOADERS / name / "page.js", guide=guide)
        return made[name]

    return of
