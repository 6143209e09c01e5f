"""A plan holds everything that is signed, for a method that can enforce the policy."""

from collections.abc import Mapping
from typing import Any, Literal

import pytest
from tests.support.planning import CRC32, RICH, SHA256, TODAY, UNIQUE, a_plan, a_planner, refused

from uploadsvc.domain import errors
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.plan import ClientTraits, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Policy, PolicyError
from uploadsvc.domain.providers import GIB


def test_a_put_signs_exactly_these_headers() -> None:
    plan = a_plan(
        a_planner(**RICH),
        filename="naïve.jpg",
        size=5,
        metadata={"title": "über ${x}"},
        checksum=SHA256,
    )
    assert plan.method == "put"
    assert plan.fields == {}
    assert plan.headers == {
        "Content-Type": "image/jpeg",
        "Content-Length": "5",
        "If-None-Match": "*",
        "Cache-Control": "max-age=60",
        "Content-Disposition": "attachment; filename=\"naive.jpg\"; filename*=UTF-8''na%C3%AFve.jpg",
        "x-amz-acl": "public-read",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:1:key/x",
        "x-amz-tagging": "project=a%20b&team=x%2By%2Fz",
        "x-amz-meta-title": "%C3%BCber%20$%7Bx}",
        "x-amz-meta-origin": "upload",
        "x-amz-checksum-sha256": SHA256.value,
    }


def test_a_form_signs_exactly_these_fields() -> None:
    """ACL and tags have other names in a form."""
    plan = a_plan(
        a_planner(**RICH),
        filename="${filename}.jpg",
        metadata={"title": "${filename}"},
        checksum=CRC32,
        method="post",
    )
    assert plan.method == "post"
    assert plan.headers == {}
    assert plan.fields == {
        "key": f"uploads/ann/{UNIQUE}/__filename_.jpg",
        "Content-Type": "image/jpeg",
        "Cache-Control": "max-age=60",
        "Content-Disposition": (
            "attachment; filename=\"$_filename_.jpg\"; filename*=UTF-8''$%7Bfilename%7D.jpg"
        ),
        "acl": "public-read",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:1:key/x",
        "tagging": (
            "<Tagging><TagSet><Tag><Key>project</Key><Value>a b</Value></Tag>"
            "<Tag><Key>team</Key><Value>x+y/z</Value></Tag></TagSet></Tagging>"
        ),
        "x-amz-meta-title": "$%7Bfilename}",
        "x-amz-meta-origin": "upload",
        "x-amz-checksum-crc32": "AAAAAA==",
    }
    assert not any("${" in value for value in plan.fields.values())


def test_what_is_unclaimed_has_a_tag_beside_the_policys_own() -> None:
    """By every method; a browser must be allowed to send it."""
    planner = a_planner(tags={"team": "a b"}, unclaimed_expires_in=604_800, unsized_multipart=True)
    for fields in (
        {"size": 5},
        {"size": 5, "method": "multipart"},
        {"method": "multipart", "size_open": True},
    ):
        tagging = a_plan(planner, **fields).headers["x-amz-tagging"]
        assert tagging == "team=a%20b&uploadsvc-state=unclaimed"
    assert a_plan(planner, method="post").fields["tagging"] == (
        "<Tagging><TagSet><Tag><Key>team</Key><Value>a b</Value></Tag>"
        "<Tag><Key>uploadsvc-state</Key><Value>unclaimed</Value></Tag></TagSet></Tagging>"
    )
    assert "x-amz-tagging" in planner.browser_headers


def test_where_forms_take_no_tags_unclaimed_uploads_need_another_method() -> None:
    planner = a_planner("seaweedfs", unclaimed_expires_in=604_800)
    assert planner.methods == {"put", "multipart"}
    assert a_plan(planner, size=5).headers["x-amz-tagging"] == "uploadsvc-state=unclaimed"
    refused(planner, errors.MethodNotAvailable, size=5, method="post")
    refused(planner, errors.SizeRequired)


@pytest.mark.parametrize(
    ("size", "headers"),
    [(0, {"Content-Length": "0"}), (7, {"Content-Length": "7"})],
)
def test_a_plain_put_signs_type_size_and_guard(size: int, headers: Mapping[str, str]) -> None:
    plan = a_plan(a_planner(), size=size)
    assert plan.headers == {"Content-Type": "application/octet-stream", "If-None-Match": "*", **headers}
    assert (plan.min_size, plan.max_size) == (size, size)
    assert not plan.tags_object


def test_a_plain_form_signs_key_and_type() -> None:
    """Its size range is the policy's."""
    plan = a_plan(a_planner(min_size=1, max_size=9))
    assert plan.fields == {"key": f"uploads/ann/{UNIQUE}/file", "Content-Type": "application/octet-stream"}
    assert (plan.min_size, plan.max_size) == (1, 9)


def test_a_form_allows_at_most_the_size_of_one_request() -> None:
    assert a_plan(a_planner(max_size=6 * GIB)).max_size == 5 * GIB


@pytest.mark.parametrize(
    ("method", "sized", "client_key", "overwrite", "provider", "outcome"),
    [
        ("auto", True, False, False, "aws", "put"),
        ("auto", False, False, False, "aws", "post"),
        ("auto", True, True, False, "aws", "put"),
        ("auto", False, True, False, "aws", "size_required"),
        ("auto", True, True, True, "aws", "put"),
        ("auto", False, True, True, "aws", "post"),
        ("auto", True, False, False, "r2", "put"),
        ("auto", False, False, False, "r2", "size_required"),
        ("auto", True, True, False, "r2", "put"),
        ("auto", False, True, False, "r2", "size_required"),
        ("auto", True, True, True, "b2", "put"),
        ("auto", False, True, True, "b2", "size_required"),
        ("auto", True, True, False, "b2", "method_not_available"),
        ("put", True, False, False, "aws", "put"),
        ("put", False, False, False, "aws", "size_required"),
        ("put", True, True, False, "aws", "put"),
        ("put", False, True, False, "aws", "size_required"),
        ("put", True, True, True, "b2", "put"),
        ("put", True, True, False, "b2", "method_not_available"),
        ("put", True, False, False, "b2", "put"),
        ("post", True, False, False, "aws", "post"),
        ("post", False, False, False, "aws", "post"),
        ("post", True, True, False, "aws", "method_not_available"),
        ("post", False, True, False, "aws", "method_not_available"),
        ("post", True, True, True, "aws", "post"),
        ("post", True, False, False, "r2", "method_not_available"),
        ("post", False, True, True, "r2", "method_not_available"),
        ("multipart", True, False, False, "aws", "multipart"),
        ("multipart", True, True, False, "aws", "multipart"),
        ("multipart", False, True, True, "r2", "size_required"),
        ("multipart", True, False, False, "b2", "multipart"),
        ("multipart", True, True, False, "b2", "method_not_available"),
        ("multipart", False, True, False, "b2", "method_not_available"),
    ],
)
def test_auto_chooses_a_method_that_can_enforce_the_policy(
    *,
    method: Literal["auto", "put", "post", "multipart"],
    sized: bool,
    client_key: bool,
    overwrite: bool,
    provider: str,
    outcome: str,
) -> None:
    """A PUT needs a size, a form cannot refuse to overwrite, and some stores accept no forms."""
    planner = a_planner(provider, client_keys=True, overwrite=True)
    fields: dict[str, Any] = {"method": method, "size": 5 if sized else None, "overwrite": overwrite}
    if client_key:
        fields["relative_key"] = "a.jpg"
    if outcome in {"put", "post", "multipart"}:
        plan = a_plan(planner, **fields)
        assert plan.method == outcome
        assert plan.no_overwrite is (outcome != "post" and not overwrite and provider != "b2")
        assert ("If-None-Match" in plan.headers) is (outcome == "put" and plan.no_overwrite)
    else:
        with pytest.raises(UploadsvcError) as caught:
            a_plan(planner, **fields)
        assert caught.value.code == outcome
        assert caught.value.field == ("size" if outcome == "size_required" else "method")


@pytest.mark.parametrize(("provider", "method"), [("aws", "post"), ("localstack", "put")])
def test_a_checksum_is_sent_only_by_methods_that_check_it(provider: str, method: str) -> None:
    planner = a_planner(provider)
    if method == "post":
        assert a_plan(planner, checksum=SHA256).method == "post"
    else:
        assert refused(planner, errors.SizeRequired, checksum=SHA256).field == "size"
        assert a_plan(planner, checksum=SHA256, size=1).method == "put"
        refused(planner, errors.MethodNotAvailable, checksum=SHA256, size=1, method="post")


def test_only_the_policys_methods_are_used() -> None:
    posts = a_planner(methods=frozenset({"post"}))
    assert a_plan(posts, size=5).method == "post"
    assert "methods that can: post" in refused(posts, errors.MethodNotAvailable, size=5, method="put").detail
    puts = a_planner(methods=frozenset({"put"}))
    refused(puts, errors.SizeRequired)
    refused(puts, errors.MethodNotAvailable, method="post")


def test_the_size_must_be_in_the_policys_range() -> None:
    planner = a_planner(min_size=2, max_size=4)
    for size in (2, 4):
        assert a_plan(planner, size=size).headers["Content-Length"] == str(size)
    assert refused(planner, errors.FileTooSmall, size=1).field == "size"
    assert refused(planner, errors.FileTooLarge, size=5).field == "size"
    assert refused(a_planner(), errors.FileTooSmall, size=-1).field == "size"


@pytest.mark.parametrize("method", ["auto", "put", "post", "multipart"])
def test_above_5_gib_only_multipart_works(method: str) -> None:
    single = a_planner(max_size=6 * GIB, methods=frozenset({"put", "post"}))
    assert refused(single, errors.MethodNotAvailable, size=5 * GIB + 1, method=method).field == "size"
    planner = a_planner(max_size=6 * GIB, multipart_threshold=6 * GIB)
    if method in {"auto", "multipart"}:
        assert a_plan(planner, size=5 * GIB + 1, method=method).method == "multipart"
    else:
        refusal = refused(planner, errors.MethodNotAvailable, size=5 * GIB + 1, method=method)
        assert (refusal.field, "can: multipart" in refusal.detail) == ("method", True)
    assert a_plan(planner, size=5 * GIB).method == "put"


def test_a_checksum_must_suit_policy_and_store() -> None:
    assert refused(a_planner(checksum="required"), errors.ChecksumRequired, size=1).field == "checksum"
    off = a_planner(checksum="off")
    assert refused(off, errors.ValidationFailed, size=1, checksum=CRC32).field == "checksum"
    unchecked = refused(a_planner("b2"), errors.ValidationFailed, size=1, checksum=CRC32)
    assert unchecked.field == "checksum.algorithm"
    assert "none" in unchecked.detail


def test_metadata_must_be_listed() -> None:
    """A caller sets only what the policy leaves open."""
    planner = a_planner(metadata={"origin": "upload", "title": None})
    for name in ("origin", "other", "Title", "uploadsvc-upload"):
        refusal = refused(planner, errors.MetadataNotAllowed, size=1, metadata={name: "x"})
        assert refusal.field == "metadata"
        assert "it takes: title" in refusal.detail
    assert a_plan(planner, size=1).headers["x-amz-meta-origin"] == "upload"


def test_encoded_metadata_has_a_limit() -> None:
    """It includes the upload's UUID."""
    planner = a_planner(metadata={"a": None}, client_keys=True)
    a_plan(planner, size=1, metadata={"a": "x" * 2047})
    refused(planner, errors.MetadataNotAllowed, size=1, metadata={"a": "x" * 2048})
    refused(planner, errors.MetadataNotAllowed, size=1, metadata={"a": "é" * 400})
    refused(planner, errors.MetadataNotAllowed, size=1, relative_key="k", metadata={"a": "x" * 2047})
    room = 2048 - len("a") - len("uploadsvc-upload") - len("J")
    a_plan(planner, size=1, relative_key="k", metadata={"a": "x" * room})


def test_an_object_whose_key_may_be_used_again_names_its_upload() -> None:
    chosen = a_plan(a_planner(client_keys=True), size=1, relative_key="a/b.jpg")
    assert chosen.key == "uploads/ann/a/b.jpg"
    fixed = a_plan(a_planner(key=KeyTemplate("avatar{ext}")), size=1, filename="me.PNG")
    assert fixed.key == "uploads/ann/avatar.png"
    for plan in (chosen, fixed):
        assert plan.tags_object
        assert plan.headers["x-amz-meta-uploadsvc-upload"] == "J"


def test_the_key_follows_the_template() -> None:
    planner = a_planner(key=KeyTemplate("{policy}/{date}/{uuid}-{filename}{ext}"))
    plan = a_plan(planner, size=1, filename="../Ü?.JPG")
    assert plan.key == f"uploads/ann/p/2026/03/04/{UNIQUE}-Ü_.JPG.jpg"


def test_overwriting_and_client_keys_need_the_policys_permission() -> None:
    """A request may decline to overwrite."""
    plain = a_planner()
    assert refused(plain, errors.Forbidden, size=1, overwrite=True).field == "overwrite"
    assert refused(plain, errors.Forbidden, size=1, relative_key="a").field == "relative_key"
    free = a_planner(client_keys=True, overwrite=True)
    assert not a_plan(free, size=1, relative_key="a").no_overwrite
    assert a_plan(free, size=1, relative_key="a", overwrite=False).no_overwrite
    assert refused(free, errors.InvalidKey, size=1, relative_key="../a").field == "relative_key"


def test_a_chosen_key_lies_in_the_policys_folder() -> None:
    planner = a_planner(client_keys=True, client_keys_prefix="site")
    assert a_plan(planner, size=1, relative_key="a/b").key == "uploads/ann/site/a/b"


def test_a_policys_folder_is_closed_to_others() -> None:
    """The deeper folder counts where one lies in another."""
    others = [
        Policy(name="q", client_keys=True, client_keys_prefix="site"),
        Policy(name="r", client_keys=True, client_keys_prefix="site/docs"),
    ]
    free = a_planner(client_keys=True, others=others)
    for key in ("site/a", "site/docs/a"):
        assert "'q'" in refused(free, errors.InvalidKey, size=1, relative_key=key).detail
    a_plan(free, size=1, relative_key="sites/a")
    a_plan(free, size=1, relative_key="site")
    inner = a_planner(client_keys=True, client_keys_prefix="site/docs", others=others[:1])
    assert a_plan(inner, size=1, relative_key="a").key == "uploads/ann/site/docs/a"
    outer = a_planner(client_keys=True, client_keys_prefix="site", others=others[1:])
    assert "'r'" in refused(outer, errors.InvalidKey, size=1, relative_key="docs/a").detail
    fixed = a_planner(key=KeyTemplate("{filename}/x"), others=others)
    assert refused(fixed, errors.InvalidKey, size=1, filename="site").field == "filename"


def test_a_chosen_key_has_not_the_form_of_one_that_a_policy_makes() -> None:
    """An upload with a new key may be replaced through its own URLs, and must stay alone with it."""
    others = [Policy(name="default"), Policy(name="fixed", key=KeyTemplate("{filename}"))]
    taken = f"{UNIQUE}/file.txt"
    for free in (a_planner(client_keys=True), a_planner(client_keys=True, overwrite=True, others=others)):
        assert refused(free, errors.InvalidKey, size=1, relative_key=taken).field == "relative_key"
        a_plan(free, size=1, relative_key=f"{UNIQUE}.txt")
    # Within a policy that lets callers replace objects, they may replace any.
    a_plan(a_planner(client_keys=True, overwrite=True), size=1, relative_key=taken)
    fixed = a_planner(key=KeyTemplate("{filename}/x"), others=[Policy(name="o", key=KeyTemplate("{uuid}/x"))])
    assert refused(fixed, errors.InvalidKey, size=1, filename=UNIQUE).field == "filename"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"content_type": "text/html"}, "content_type"),
        ({"content_type": "IMAGE/SVG+XML"}, "content_type"),
        ({"filename": "x.svg"}, "filename"),
        ({"filename": "x.pdf"}, "filename"),
        ({}, "content_type"),
    ],
)
def test_the_content_type_must_be_allowed(fields: dict[str, str], field: str) -> None:
    """A guessed one is checked like a named one."""
    planner = a_planner(content_types=frozenset({"image/*"}))
    refusal = refused(planner, errors.ContentTypeNotAllowed, size=1, **fields)
    assert refusal.field == field
    assert refusal.detail.lower().endswith("it allows image/*.")


@pytest.mark.parametrize(
    ("allowed", "sent", "filename"),
    [
        ("image/jpeg", "image/jpg", "a.jpg"),
        ("text/csv", "application/vnd.ms-excel", "sales.csv"),
    ],
)
def test_another_name_of_an_allowed_type_is_signed_as_sent(allowed: str, sent: str, filename: str) -> None:
    """A browser sends the type that its system knows."""
    planner = a_planner(content_types=frozenset({allowed}))
    plan = a_plan(planner, size=1, content_type=sent, filename=filename)
    assert plan.content_type == plan.headers["Content-Type"] == sent
    named = {"content_type": sent, "filename": filename, "size": 1}
    assert bare(planner, **named)[1]["Content-Type"] == sent


def test_a_wildcard_leaves_out_pages_and_says_so() -> None:
    refusal = refused(a_planner(), errors.ContentTypeNotAllowed, size=1, content_type="text/html")
    assert refusal.detail == (
        "Policy 'p' does not allow text/html: browsers run HTML, SVG, XML and JavaScript, "
        "so a policy must name each of these types. It allows any other type."
    )
    refusal = refused(
        a_planner(content_types=frozenset({"image/*"})),
        errors.ContentTypeNotAllowed,
        size=1,
        content_type="image/svg+xml",
    )
    assert refusal.detail.endswith("must name each of these types. It allows image/*.")


def test_a_malformed_content_type_is_refused() -> None:
    refusal = refused(a_planner(), errors.ValidationFailed, size=1, content_type="image/png\r\nx: y")
    assert refusal.field == "content_type"


def test_a_named_content_type_wins_over_the_filename() -> None:
    """The parsed form is signed."""
    plan = a_plan(a_planner(), size=1, filename="x.html", content_type="IMAGE/PNG;q=1")
    assert plan.content_type == plan.headers["Content-Type"] == "image/png; q=1"


@pytest.mark.parametrize(("asked", "given"), [(None, 60), (30, 30), (120, 120), (121, 120), (10**12, 120)])
def test_urls_live_no_longer_than_the_policy_allows(asked: int | None, given: int) -> None:
    """Longer requests are cut."""
    assert a_plan(a_planner(expires_in=60, max_expires_in=120), size=1, expires_in=asked).expires_in == given


def bare(planner: Planner, **fields: Any) -> tuple[str, dict[str, str]]:  # noqa: ANN401 - any field of a request
    """Plan a bare PUT for ann."""
    return planner.plan_bare(UploadRequest(**fields), user="ann", unique=UNIQUE, today=TODAY)


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"filename": "a.jpg"}, {}),
        ({"content_type": "Image/JPEG"}, {"Content-Type": "image/jpeg"}),
        ({"size": 0}, {"Content-Length": "0"}),
    ],
)
def test_a_bare_url_signs_only_named_values(fields: dict[str, Any], headers: dict[str, str]) -> None:
    key, signed = bare(a_planner(), **fields)
    assert key == f"uploads/ann/{UNIQUE}/{fields.get('filename', 'file')}"
    assert signed == headers


@pytest.mark.parametrize(
    ("policy", "fields", "kind", "field"),
    [
        ({"max_size": 5 * GIB - 1}, {}, errors.SizeRequired, "size"),
        ({"min_size": 1}, {}, errors.SizeRequired, "size"),
        ({"max_size": 9}, {"size": 10}, errors.FileTooLarge, "size"),
        ({"min_size": 2}, {"size": 1}, errors.FileTooSmall, "size"),
        ({"max_size": 6 * GIB}, {"size": 5 * GIB + 1}, errors.MethodNotAvailable, "size"),
        ({"content_types": frozenset({"image/*"})}, {}, errors.ContentTypeRequired, "content_type"),
        (
            {"content_types": frozenset({"image/*"})},
            {"filename": "a.jpg"},
            errors.ContentTypeRequired,
            "content_type",
        ),
        ({}, {"content_type": "text/html"}, errors.ContentTypeNotAllowed, "content_type"),
        ({"checksum": "required"}, {}, errors.ChecksumRequired, "checksum"),
        ({"methods": frozenset({"post"})}, {}, errors.MethodNotAvailable, "policy"),
        ({"key": KeyTemplate("fixed")}, {}, errors.MethodNotAvailable, "policy"),
        ({"acl": "private"}, {}, errors.MethodNotAvailable, "policy"),
        ({"cache_control": "no-store"}, {}, errors.MethodNotAvailable, "policy"),
        ({"tags": {"a": "b"}}, {}, errors.MethodNotAvailable, "policy"),
        ({"unclaimed_expires_in": 604_800}, {}, errors.MethodNotAvailable, "policy"),
        ({"metadata": {"a": "b"}}, {}, errors.MethodNotAvailable, "policy"),
        ({"content_disposition": "attachment"}, {}, errors.MethodNotAvailable, "policy"),
        ({}, {"relative_key": "a"}, errors.Forbidden, "relative_key"),
    ],
)
def test_a_bare_url_must_name_everything_that_the_policy_restricts(
    policy: dict[str, Any], fields: dict[str, Any], kind: type[UploadsvcError], field: str
) -> None:
    planner = a_planner(**policy)
    with pytest.raises(kind) as caught:
        bare(planner, **fields)
    assert caught.value.field == field


def test_optional_metadata_does_not_prevent_a_bare_url() -> None:
    """Only fixed values must be signed."""
    assert bare(a_planner(metadata={"title": None}))[1] == {}
    assert bare(a_planner(key=KeyTemplate("fixed"), overwrite=True))[0] == "uploads/ann/fixed"


def test_a_type_that_will_not_be_sent_is_not_signed() -> None:
    """If the policy allows all types; otherwise the filename's type is signed."""
    assert "Content-Type" not in a_plan(a_planner(), size=1, type_open=True).headers
    assert a_plan(a_planner(), size=1, type_open=True).content_type == ""
    disposition = a_plan(a_planner(), size=1, type_open=True).headers["Content-Disposition"]
    assert disposition.startswith("attachment"), "it may turn out to be a page"
    in_parts = a_plan(a_planner(), size=1, type_open=True, method="multipart")
    assert in_parts.headers["Content-Type"] == "application/octet-stream", "the service begins it"
    images = a_planner(content_types=frozenset({"image/*"}))
    assert refused(images, errors.ContentTypeNotAllowed, size=1, type_open=True).field == "content_type"
    plan = a_plan(images, size=1, type_open=True, filename="a.png")
    assert plan.headers["Content-Type"] == "image/png"


def test_unlisted_metadata_may_be_dropped() -> None:
    """Fixed values stay."""
    planner = a_planner(metadata={"album": None, "origin": "web"})
    asked = {"album": "2026", "origin": "mine", "name": "a.txt"}
    plan = a_plan(planner, size=1, metadata=asked, drop_metadata=True)
    assert plan.headers["x-amz-meta-album"] == "2026"
    assert plan.headers["x-amz-meta-origin"] == "web"
    assert "x-amz-meta-name" not in plan.headers
    assert refused(planner, errors.MetadataNotAllowed, size=1, metadata=asked).field == "metadata"


def test_the_status_of_a_forms_answer_may_be_chosen() -> None:
    assert a_plan(a_planner(), form_status=201).fields["success_action_status"] == "201"
    assert "success_action_status" not in a_plan(a_planner()).fields


@pytest.mark.parametrize(
    ("sent", "signed", "kept"),
    [
        ("text/plain;charset=utf-8", "text/plain;charset=utf-8", "text/plain; charset=utf-8"),
        (" Text/Plain\t", "Text/Plain", "text/plain"),
        ("text/plain", "text/plain", "text/plain"),
        ("", "image/jpeg", "image/jpeg"),
    ],
)
def test_a_type_may_be_signed_in_the_clients_spelling(sent: str, signed: str, kept: str) -> None:
    """Without blanks around it, which HTTP clients trim."""
    asked: dict[str, Any] = {"filename": "a.jpg", "size": 5, "content_type": sent}
    plan = a_plan(a_planner(), **asked, type_as_sent=True)
    assert (plan.headers["Content-Type"], plan.content_type) == (signed, kept)
    assert a_plan(a_planner(), **asked).headers["Content-Type"] == kept


def test_a_type_that_the_store_replaces_is_not_signed() -> None:
    """Where the client sends its own, the replacement must be none that browsers run."""
    weed = a_planner("seaweedfs")
    untyped: dict[str, Any] = {"size": 5, "content_type": "application/octet-stream"}
    assert a_plan(weed, filename="a.gpx", **untyped).content_type == "binary/octet-stream"
    assert a_plan(weed, filename="a.unheard-of", size=5).headers["Content-Type"] == "binary/octet-stream"
    sent = {**untyped, "type_as_sent": True}
    assert a_plan(weed, filename="a.txt", **sent).headers["Content-Type"] == "application/octet-stream"
    for filename in ("a.gpx", "a.b.SVG", "a.html"):
        error = refused(weed, errors.ContentTypeNotAllowed, filename=filename, **sent)
        assert error.field == "content_type"
        with pytest.raises(errors.ContentTypeNotAllowed):
            bare(weed, filename=filename, **untyped, client=ClientTraits(type_as_sent=True))
        assert a_plan(a_planner(), filename=filename, **sent).content_type == "application/octet-stream"


@pytest.mark.parametrize("method", ["put", "post", "multipart"])
def test_a_content_encoding_that_the_policy_lists_is_signed(method: str) -> None:
    planner = a_planner(content_encodings=frozenset({"gzip", "br"}))
    plan = a_plan(planner, size=5, method=method, content_encoding="GZip")
    assert {**plan.headers, **plan.fields}["Content-Encoding"] == "gzip"
    assert plan.content_encoding == "gzip"
    assert "content-encoding" in planner.browser_headers
    assert "content-encoding" not in a_planner().browser_headers
    plain = a_plan(planner, size=5, method=method)
    assert "Content-Encoding" not in {**plain.headers, **plain.fields}
    for other in (planner, a_planner()):
        error = refused(other, errors.ValidationFailed, size=5, method=method, content_encoding="zstd")
        assert error.field == "content_encoding"


def test_a_part_of_a_key_is_as_long_as_the_store_allows() -> None:
    keyed: dict[str, Any] = {"client_keys": True}
    longest = {"size": 5, "relative_key": "a/" + "x" * 253 + "é"}
    assert a_plan(a_planner("minio", **keyed), **longest).key == f"uploads/ann/{longest['relative_key']}"
    longer = {"size": 5, "relative_key": "a/" + "x" * 254 + "é"}
    error = refused(a_planner("minio", **keyed), errors.InvalidKey, **longer)
    assert error.field == "relative_key"
    assert a_plan(a_planner(**keyed), **longer).key.endswith("é")
    with pytest.raises(PolicyError, match="minio takes 255 bytes between slashes; it can give 401"):
        a_planner("minio", key=KeyTemplate("{uuid}/{filename}-{filename}"))


def test_a_type_is_signed_only_if_sent_or_restricted() -> None:
    asked: dict[str, Any] = {"filename": "a.jpg", "size": 5, "content_type": "", "type_as_sent": True}
    plan = a_plan(a_planner(), **asked, type_open=True)
    assert plan.content_type == ""
    assert "Content-Type" not in plan.headers
    restricted = a_planner(content_types=frozenset({"image/*"}))
    assert a_plan(restricted, **asked, type_open=True).content_type == "image/jpeg"


def test_a_bare_url_never_replaces_a_protected_object() -> None:
    """It cannot carry ``If-None-Match``."""
    asked: dict[str, Any] = {"relative_key": "a.txt"}
    with pytest.raises(errors.MethodNotAvailable):
        bare(a_planner(client_keys=True), **asked)
    assert bare(a_planner(client_keys=True, overwrite=True), **asked)[0] == "uploads/ann/a.txt"
