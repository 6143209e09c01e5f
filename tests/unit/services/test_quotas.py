"""Uploads are reserved before anything is created, and count with the bytes that they bring."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.fakes import NOON, FakeBucket
from tests.support.planning import a_plan, a_planner

from uploadsvc.domain.errors import QuotaExceeded, StorageUnavailable, UploadAborted, VerificationFailed
from uploadsvc.domain.parts import MIB
from uploadsvc.domain.plan import UploadRequest
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.principal import Principal
from uploadsvc.domain.quotas import Quota, Wanted, parse_changes
from uploadsvc.limiting.local_quotas import LocalLedger
from uploadsvc.services.create_upload import Grant
from uploadsvc.services.quotas import Quotas
from uploadsvc.services.reservations import Planned, Reservations
from uploadsvc.tokens.signed_ids import listed_claims

ANN = Principal(user="ann")
BOB = Principal(user="bob")
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def a_policy(**fields: object) -> Policy:
    """Return a policy of 100 MiB a day, and two unfinished uploads."""
    limits = {"name": "default", "quota": 100 * MIB, "max_unfinished": 2, "max_size": 90 * MIB}
    return Policy(**{**limits, **fields})  # type: ignore[arg-type] # by name


def a_file(size: int) -> UploadRequest:
    """Return a request for a PUT of some MiB."""
    return UploadRequest(filename=f"{size}.txt", size=size * MIB, method="put")


def a_film(size: int) -> UploadRequest:
    """Return a request for a multipart upload of some MiB."""
    return UploadRequest(filename="film.txt", size=size * MIB, method="multipart")


A_FORM = UploadRequest(filename="a.txt", method="post")


class Stage(FakeBucket):
    """A bucket whose policy has quotas."""

    def __init__(self, *, may_delete: bool = False, changeable: bool = False, **fields: object) -> None:
        self.ledger = LocalLedger()
        super().__init__(a_policy(**fields), ledger=self.ledger, may_delete=may_delete, changeable=changeable)

    def listed(self, grant: Grant) -> str:
        """Return the id that a listing gives."""
        claims = self.ids.verify(grant.id)
        return self.ids.sign(listed_claims(claims.bucket, claims.key, claims.upload_id, claims.expires_at))

    async def left(self, user: str = "ann") -> float:
        """Return the MiB that are left of a day."""
        quota, probe = Quota(daily_bytes=100 * MIB), Wanted("probe", 101 * MIB)
        (excess,) = await self.ledger.reserve(f"default {user}", quota, [probe], now=self.clock())
        assert excess is not None
        return excess.left / MIB

    async def create(self, request: UploadRequest, caller: Principal = ANN) -> Grant:
        """Create an upload."""
        return await self.creator.create(caller, None, request)

    async def refused(self, request: UploadRequest, caller: Principal = ANN) -> QuotaExceeded:
        """Return the error that refuses an upload."""
        with pytest.raises(QuotaExceeded) as caught:
            await self.create(request, caller)
        return caught.value

    def bring(self, grant: Grant, size: int, *, content_type: str = "text/plain") -> None:
        """Store the object of an upload, as a client does with its URL."""
        if grant.plan.method == "multipart":
            # S3 has assembled it.
            self.multipart.uploads.pop(self.ids.verify(grant.id).upload_id)
        marks = grant.plan.headers | grant.plan.fields
        self.store(
            grant.plan.key,
            size=size * MIB,
            upload=marks.get("x-amz-meta-uploadsvc-upload"),
            claims=marks.get("x-amz-meta-uploadsvc-claims"),
            content_type=content_type,
        )


async def test_what_does_not_fit_is_refused_before_s3_is_called() -> None:
    stage = Stage()
    await stage.create(a_film(60))
    error = await stage.refused(a_film(41))
    assert (error.quota, error.limit, error.left) == ("bytes_per_day", 100 * MIB, 40 * MIB)
    assert error.frees_at == MIDNIGHT
    assert "2026-11-24T00:00:00Z" in error.detail
    await stage.create(a_film(1))
    error = await stage.refused(a_film(1))
    assert (error.quota, error.limit, error.left) == ("unfinished_uploads", 2, 0)
    assert error.frees_at == datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert stage.multipart.created == 2
    # Each user has quotas of their own, and an upload by one request is never unfinished.
    await stage.create(a_film(90), BOB)
    await stage.create(a_file(39))
    assert await stage.left() == 0
    hits = {
        labels: list(numbers) for name, labels, numbers in stage.metrics.cells.snapshot() if "hit" in name
    }
    assert hits == {("quota", "default"): [1], ("max_unfinished", "default"): [1]}


async def test_a_day_ends_at_midnight() -> None:
    stage = Stage()
    await stage.create(a_file(90))
    stage.clock.move(12 * 3600 - 1)
    await stage.refused(a_file(11))
    stage.clock.move(1)
    await stage.create(a_file(90))


async def test_what_never_fits_never_frees() -> None:
    stage = Stage(max_size=200 * MIB)
    error = await stage.refused(a_file(101))
    assert error.frees_at is None
    assert "never" in error.detail


async def test_a_form_takes_the_largest_file_that_it_lets_through_until_one_has_come() -> None:
    stage = Stage()
    grant = await stage.create(A_FORM)
    assert await stage.left() == 10
    stage.bring(grant, 3)
    for _ in range(2):
        await stage.uploads.complete(ANN, grant.id)
        assert await stage.left() == 97
    # The form still works, and brings another file.
    stage.bring(grant, 50)
    await stage.uploads.complete(ANN, grant.id)
    assert await stage.left() == 50


async def test_a_batch_is_refused_item_by_item_in_its_order() -> None:
    stage = Stage()
    sizes = [60, 50, 30, 20, 10]
    results = await stage.creator.create_each(ANN, [(None, a_file(size)) for size in sizes])
    assert [isinstance(one, Grant) for one in results] == [True, False, True, False, True]
    assert [one.left for one in results if isinstance(one, QuotaExceeded)] == [40 * MIB, 10 * MIB]
    assert await stage.left() == 0
    films = await stage.creator.create_each(BOB, [(None, a_film(10)) for _ in range(4)])
    assert [isinstance(one, Grant) for one in films] == [True, True, False, False]
    assert stage.multipart.created == 2


async def test_uploads_that_belong_together_are_reserved_together_or_not_at_all() -> None:
    stage = Stage()
    with pytest.raises(QuotaExceeded, match=r"^60\.txt: ") as caught:
        await stage.creator.create_all(ANN, None, [a_file(50), a_film(1), a_file(60)])
    assert caught.value.left == 49 * MIB
    assert await stage.left() == 100
    assert stage.multipart.created == 0
    stage.multipart.failures[1] = StorageUnavailable("busy")
    with pytest.raises(StorageUnavailable):
        await stage.creator.create_all(ANN, None, [a_film(50), a_film(30), a_file(1)])
    assert await stage.left() == 100


async def test_an_upload_that_s3_does_not_begin_takes_nothing() -> None:
    stage = Stage()
    stage.multipart.failures = {number: StorageUnavailable("busy") for number in range(4)}
    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await stage.create(a_film(90))
    results = await stage.creator.create_each(ANN, [(None, a_film(90))])
    assert isinstance(results[0], StorageUnavailable)
    assert await stage.left() == 100


async def test_a_multipart_upload_is_finished_by_its_completion() -> None:
    stage = Stage()
    grants = [await stage.create(a_film(10)) for _ in range(2)]
    stage.bring(grants[0], 10)
    for _ in range(2):
        await stage.uploads.complete(ANN, grants[0].id)
    await stage.create(a_film(10))
    assert (await stage.refused(a_film(10))).quota == "unfinished_uploads"
    assert await stage.left() == 70


@pytest.mark.parametrize("call", ["abort", "delete"])
async def test_an_aborted_multipart_upload_gives_back_at_once_and_once(call: str) -> None:
    stage = Stage(may_delete=True)
    grants = [await stage.create(a_film(40)) for _ in range(2)]
    for _ in range(2):
        await getattr(stage.uploads, call)(ANN, grants[0].id)
        assert await stage.left() == 60
    await stage.create(a_film(40))
    assert (await stage.refused(a_film(1))).quota == "unfinished_uploads"


@pytest.mark.parametrize("call", ["abort", "delete"])
async def test_a_stored_upload_that_is_aborted_or_deleted_gives_nothing_back(call: str) -> None:
    stage = Stage(may_delete=True)
    grant = await stage.create(a_film(40))
    # Its completion was cut off, so nobody has counted it yet.
    stage.bring(grant, 40)
    await getattr(stage.uploads, call)(ANN, grant.id)
    assert await stage.left() == 60
    for _ in range(2):
        await stage.create(a_film(1))


async def test_an_upload_that_s3_has_forgotten_gives_back_when_it_is_completed() -> None:
    stage = Stage()
    grant = await stage.create(a_film(40))
    stage.multipart.uploads.clear()
    with pytest.raises(UploadAborted):
        await stage.uploads.complete(ANN, grant.id)
    assert await stage.left() == 100


async def test_an_upload_that_is_only_known_from_a_listing_gives_back_too() -> None:
    stage = Stage()
    grants = await stage.creator.create_all(ANN, None, [a_film(40)])
    grants.append(await stage.create(a_film(40)))
    for _ in range(2):
        await stage.uploads.delete(ANN, stage.listed(grants[0]))
        assert await stage.left() == 60
    await stage.create(a_film(1))
    # With an object under the key, nobody knows whether this upload has brought it.
    listed = stage.listed(grants[1])
    stage.bring(grants[1], 40)
    await stage.uploads.delete(ANN, listed)
    assert await stage.left() == 59
    await stage.create(a_film(1))


async def test_a_put_gives_back_only_once_its_url_has_ended() -> None:
    """Or its holder could cancel it, and send the bytes after that."""
    stage = Stage()
    grant = await stage.create(a_file(40))
    await stage.uploads.delete(ANN, grant.id)
    assert await stage.left() == 60
    stage.clock.move(900)
    await stage.uploads.delete(ANN, grant.id)
    assert await stage.left() == 100


async def test_an_expired_multipart_upload_gives_back_by_itself() -> None:
    stage = Stage(multipart_expires_in=3600)
    for _ in range(2):
        await stage.create(a_film(40))
    stage.clock.move(3599)
    await stage.refused(a_film(1))
    stage.clock.move(1)
    await stage.create(a_film(90))
    assert await stage.left() == 10


async def test_a_refused_object_counts_unless_it_is_deleted_and_cannot_come_again() -> None:
    stage = Stage(verify_content=True, delete_mismatched=True)
    film, put = await stage.create(a_film(10)), await stage.create(a_file(20))
    for grant, size in ((film, 10), (put, 20)):
        stage.bring(grant, size)
        stage.storage.contents[grant.plan.key] = b"\x89PNG\r\n\x1a\n" + bytes(99)
        with pytest.raises(VerificationFailed):
            await stage.uploads.complete(ANN, grant.id)
        assert grant.plan.key not in stage.storage.objects
    assert await stage.left() == 80
    form = await stage.create(A_FORM, BOB)
    stage.bring(form, 7, content_type="image/png")
    with pytest.raises(VerificationFailed):
        await stage.uploads.complete(BOB, form.id)
    assert form.plan.key in stage.storage.objects
    assert await stage.left("bob") == 93


async def test_an_event_counts_what_has_come_as_often_as_it_is_delivered() -> None:
    stage = Stage(verify_content=True, delete_mismatched=True)
    form, other = await stage.create(A_FORM), None
    stage.bring(form, 4)
    stored = stage.storage.objects[form.plan.key]
    stage.storage.contents[form.plan.key] = b"text"
    for _ in range(2):
        assert (await stage.resolver.stored(stored, user="ann")).type == "upload.completed"
        assert await stage.left() == 96
    other = await stage.create(a_film(10))
    stage.bring(other, 10)
    stored = stage.storage.objects[other.plan.key]
    stage.storage.contents[other.plan.key] = b"\x89PNG\r\n\x1a\n" + bytes(99)
    event = await stage.resolver.stored(stored, user="ann")
    assert event.type == "upload.rejected"
    assert await stage.left() == 86
    await stage.resolver.settle(event)
    assert await stage.left() == 96


async def test_a_bare_url_is_counted_in_full() -> None:
    stage = Stage(max_size=6 * 1024 * MIB)
    await stage.creator.bare_put(ANN, None, UploadRequest(filename="a", size=30 * MIB))
    assert await stage.left() == 70
    with pytest.raises(QuotaExceeded) as caught:
        await stage.creator.bare_put(ANN, None, UploadRequest(filename="a"))
    assert caught.value.frees_at is None


async def test_a_callers_own_quotas_replace_those_of_the_policy() -> None:
    stage = Stage()
    changes = parse_changes({"default": {"quota": "10MiB/day"}, "*": {"quota": "1/day"}})
    assert (await stage.refused(a_file(11), Principal(user="ann", quotas=changes))).limit == 10 * MIB
    others = parse_changes({"*": {"quota": None, "max_unfinished": 1}})
    large = Principal(user="bob", quotas=others)
    for _ in range(3):
        await stage.create(a_file(90), large)
    await stage.create(a_film(90), large)
    assert (await stage.refused(a_film(1), large)).limit == 1
    assert await stage.left("bob") == 100


async def test_a_call_that_does_not_know_of_a_callers_own_quotas_counts_too() -> None:
    """Such as the worker's."""
    stage = Stage(changeable=True, quota=None)
    changes = parse_changes({"*": {"quota": "100MiB/day"}})
    grant = await stage.create(A_FORM, Principal(user="ann", quotas=changes))
    assert await stage.left() == 10
    stage.bring(grant, 3)
    await stage.uploads.complete(ANN, grant.id)
    assert await stage.left() == 97


async def test_each_policy_counts_alone_also_in_one_batch() -> None:
    ledger = LocalLedger()
    quotas = Quotas(
        policies={"small": Quota(daily_bytes=5), "large": Quota(daily_bytes=50)},
        changeable=False,
        ledger=ledger,
        account=lambda policy, user: policy + user,
        on_refusal=lambda _limit, _policy: None,
        clock=lambda: NOON,
    )
    plan = a_plan(a_planner(), filename="a", size=4)
    asked = [Planned(policy, str(number), plan) for number, policy in enumerate(["small", "large"] * 2)]
    found = await Reservations(quotas, clock=lambda: NOON).take(ANN, asked)
    assert [refusal and refusal.limit for refusal in found] == [None, None, 5, None]


async def test_without_a_quota_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(quota=None, max_unfinished=None)
    for method in ("reserve", "settle", "release", "name", "close_named"):
        monkeypatch.delattr(LocalLedger, method)
    grant = await stage.create(a_file(90))
    stage.bring(grant, 90)
    await stage.uploads.complete(ANN, grant.id)
    film = await stage.create(a_film(90))
    await stage.uploads.abort(ANN, film.id)


async def test_an_upload_of_yesterday_counts_for_yesterday() -> None:
    stage = Stage()
    grant = await stage.create(a_film(90))
    stage.clock.move(13 * 3600)
    await stage.create(a_film(80))
    stage.bring(grant, 90)
    await stage.uploads.complete(ANN, grant.id)
    assert await stage.left() == 20
    # It no longer counts as unfinished.
    await stage.create(a_film(20))
    assert stage.clock() - timedelta(hours=13) < MIDNIGHT
