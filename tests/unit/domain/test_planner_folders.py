"""Plans for files in folders, by policies whose keys hold ``{path}``."""

from typing import Any

import pytest
from tests.support.planning import UNIQUE, a_plan, a_planner, refused

from uploadsvc.domain import errors
from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.policy import Policy

KEPT = KeyTemplate("{uuid}/{path}{filename}")


@pytest.mark.parametrize(
    ("filename", "rest"),
    [
        ("photos/2026/a.JPG", f"{UNIQUE}/photos/2026/a.JPG"),
        ("photos\\2026\\a.JPG", f"{UNIQUE}/photos/2026/a.JPG"),
        ("../bob/./a.JPG", f"{UNIQUE}/bob/a.JPG"),
        ("a.JPG", f"{UNIQUE}/a.JPG"),
        (None, f"{UNIQUE}/file"),
    ],
)
def test_a_key_keeps_the_folders_of_the_filename(filename: str | None, rest: str) -> None:
    assert a_plan(a_planner(key=KEPT), size=1, filename=filename).key == f"uploads/ann/{rest}"


def test_other_keys_keep_no_folders() -> None:
    assert a_plan(a_planner(), size=1, filename="photos/a.jpg").key == f"uploads/ann/{UNIQUE}/a.jpg"


def test_a_download_has_the_name_of_the_file_alone() -> None:
    """Whether the key keeps the folders or not."""
    for key in (KEPT, KeyTemplate("{uuid}/{filename}")):
        planner = a_planner(key=key, content_disposition="attachment")
        plan = a_plan(planner, size=1, filename="photos/2026\\a.jpg")
        assert plan.headers["Content-Disposition"] == 'attachment; filename="a.jpg"'


def test_too_many_folders_are_refused_only_where_they_are_kept() -> None:
    filename = "d/" * 33 + "a.jpg"
    refusal = refused(a_planner(key=KEPT), errors.InvalidKey, size=1, filename=filename)
    assert refusal.field == "filename"
    assert "32 folders, of 400 bytes" in refusal.detail
    a_plan(a_planner(), size=1, filename=filename)


def test_no_folder_leads_to_the_objects_of_another_policy() -> None:
    """Neither into its own folder, nor to keys of its form, with ``{uuid}`` or without."""
    others = [
        Policy(name="q", client_keys=True, client_keys_prefix="site"),
        Policy(name="r", key=KeyTemplate("r/{uuid}/{filename}")),
    ]
    for key in ("{path}{uuid}{ext}", "{path}{filename}"):
        planner = a_planner(key=KeyTemplate(key), others=others)
        for filename in ("site/a", "./site//docs/a", "\\site\\a"):
            refusal = refused(planner, errors.InvalidKey, size=1, filename=filename)
            assert (refusal.field, "'q'" in refusal.detail) == ("filename", True)
        a_plan(planner, size=1, filename="sites/a")
    planner = a_planner(key=KeyTemplate("{path}{filename}"), others=others)
    assert "'r'" in refused(planner, errors.InvalidKey, size=1, filename=f"r/{UNIQUE}/a").detail
    # The operator puts these there, and no caller can choose the folder of the next.
    for key in ("site/{path}{uuid}", "{uuid}/{path}x"):
        a_plan(a_planner(key=KeyTemplate(key), others=others), size=1, filename="site/a")


@pytest.mark.parametrize("chosen", [f"{UNIQUE}/a/b/c.txt", f"{UNIQUE}/c.txt", f"{UNIQUE}/{UNIQUE}/c.txt"])
def test_no_chosen_key_has_the_form_of_one_with_folders(chosen: str) -> None:
    planner = a_planner(client_keys=True, others=[Policy(name="q", key=KEPT)])
    assert refused(planner, errors.InvalidKey, size=1, relative_key=chosen).field == "relative_key"


@pytest.mark.parametrize(
    ("key", "tagged"),
    [("{uuid}/{path}{filename}", False), ("{path}{uuid}", True), ("{path}{filename}", True)],
)
def test_an_object_names_its_upload_if_another_object_can_be_in_its_way(*, key: str, tagged: bool) -> None:
    """Where keys are paths, ``photos`` excludes ``photos/a``; completing then looks for it."""
    fields: dict[str, Any] = {"key": KeyTemplate(key), "checksum": "off"}
    planner = a_planner(**fields)
    plan = a_plan(planner, size=1, filename="photos/a")
    assert plan.tags_object is tagged
    assert ("x-amz-meta-uploadsvc-upload" in plan.headers) is tagged
    assert ("x-amz-meta-uploadsvc-upload" in planner.browser_headers) is tagged


def test_a_store_with_short_segments_takes_the_longest_folders() -> None:
    planner = a_planner("minio", key=KEPT)
    key = a_plan(planner, size=1, filename=f"{'x' * 300}/{'y' * 198}/{'z' * 300}").key
    assert [len(segment) for segment in key.split("/")[3:]] == [200, 198, 200]
