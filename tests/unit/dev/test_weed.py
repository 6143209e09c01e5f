"""What tells the embedded S3 where its notifications go."""

import tomllib
from pathlib import Path

from uploadsvc.dev.weed import Push, write_push


def test_only_its_owner_can_read_where_notifications_go(tmp_path: Path) -> None:
    """It holds a secret. A start without notifications removes it."""
    push = Push(url="http://[::1]:8000/events/s3", secret="made-up", below='media/"é😀\\/')
    write_push(tmp_path, push)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    webhook = tomllib.loads(file.read_text(encoding="utf-8"))["notification"]["webhook"]
    assert (webhook["endpoint"], webhook["bearer_token"]) == (push.url, push.secret)
    assert webhook["path_prefixes"] == ['/buckets/media/"é😀\\/']
    assert "made-up" not in repr(push)
    write_push(tmp_path, None)
    assert not list(tmp_path.iterdir())
