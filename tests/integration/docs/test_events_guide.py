"""The Python examples of `docs/events.md` work; tests/e2e/clients has Node.js."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import httpx
import pytest
from tests.support.django_app import django_app
from tests.support.pages import examples
from tests.support.stories.serving import served
from tests.support.webhooks import GUIDE, SECRET, assert_receives, delivery

_, FASTAPI, DJANGO, HANDLE = examples(GUIDE, "python")
TABLES: Final = """
    CREATE TABLE events (id TEXT PRIMARY KEY);
    CREATE TABLE accounts (user TEXT, used INTEGER DEFAULT 0);
    INSERT INTO accounts (user) VALUES ('ann'), ('eve');
"""


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create the database of a backend."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(TABLES)
    return path


def read(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as db:
        return [value for (value,) in db.execute(query)]


@pytest.mark.parametrize("example", [FASTAPI, DJANGO], ids=["FastAPI", "Django"])
async def test_a_receiver_takes_signed_events_only(
    database: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    """Each once, though one is sent twice."""
    names = ModuleType("receiver")
    monkeypatch.setitem(sys.modules, names.__name__, names)
    exec(HANDLE + example, names.__dict__)  # noqa: S102 - our own documentation
    app = django_app(names.__name__, monkeypatch) if example == DJANGO else names.app
    async with served(app) as origin:
        await assert_receives(f"{origin}/webhooks")
        assert read(database, "SELECT id FROM events") == ["evt_1", "evt_2"]
        assert read(database, "SELECT used FROM accounts ORDER BY user") == [10, 0]
        # An event whose work failed is sent again, and must not be taken for done then.
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("DROP TABLE accounts")
        assert await delivery("evt_3").send(f"{origin}/webhooks") == 500
        assert read(database, "SELECT id FROM events") == ["evt_1", "evt_2"]
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{origin}/webhooks")).status_code == 405
