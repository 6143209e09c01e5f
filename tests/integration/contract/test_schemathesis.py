"""Schemathesis against the whole API: whoever calls, whatever is sent, the document holds.

All of Schemathesis' checks are on, but for those that a comment here says cannot be.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import hypothesis
import pytest
import schemathesis
from botocore.retries.standard import ExponentialBackoff
from hypothesis import HealthCheck
from schemathesis.specs.openapi.checks import ignored_auth
from schemathesis.specs.openapi.schemas import OpenApiSchema
from tests.support.api import s3_that_is_down
from tests.support.contract.callers import AUTH, CALLERS, Caller, caller
from tests.support.contract.document import DOCUMENT, OPERATIONS
from tests.support.contract.running import running_service
from tests.support.contract.stage import UPPY, WITH_SESSIONS
from tests.support.servers import S3Server
from tests.support.service import authorization, settings_for

Case = schemathesis.Case[Any]
Answers = Counter[tuple[str, int]]

EXAMPLE_ID: Final = "aGFuZGxl"
"""The document's example of an id; a real one stands in for it."""

EXAMPLE_KEY: Final = "uploads/alice/7f9c24e5-2f4c-4a5e-9d53-0a1a1c5b9d10/photo.jpg"

ASK_S3: Final = frozenset(
    {
        "getUpload",
        "completeUpload",
        "deleteUpload",
        "listUploads",
        "listObjects",
        "getObject",
        "deleteObject",
        "getReadiness",
        "getUppyCredentials",
    }
)
MAY_ASK_S3: Final = frozenset({"createUpload", "signUppyRequest"})
"""To begin an upload in parts, or to see what has arrived of one."""


def loaded(**checks: object) -> OpenApiSchema:
    """Load the document, with checks set as Schemathesis' own configuration sets them."""
    config = {
        "seed": 20261123,
        "generation": {
            "deterministic": True,
            "database": "none",
            # The caller's own credential decides, not a made-up one in its place.
            "with-security-parameters": False,
        },
        # What a failure prints are the tests' own keys and tokens, and "key" is the name of a field here.
        "output": {"sanitization": {"enabled": False}},
        "checks": {
            # What a policy refuses (a size, a type, a key, a method) no schema can say; `test_statuses.py`
            # reaches each such refusal.
            "positive_data_acceptance": {"enabled": False},
            # It compares two users whom its own configuration signs in; `tests/api/test_hostile.py` asks for
            # another user's uploads and objects instead.
            "object_level_authorization": {"enabled": False},
            **checks,
        },
        # By another method than POST, "batch" is an upload's id, though of none that there is.
        "operations": [
            {"include-path": "/v1/uploads/batch", "checks": {"allow_header_conformance": {"enabled": False}}},
            # A body of null is taken for none, as FastAPI does; generated clients must not be told of it.
            {
                "include-path": "/v1/uploads/{id}/complete",
                "checks": {"negative_data_rejection": {"enabled": False}},
            },
        ],
    }
    return schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict(config))


everything = loaded()
# What a store that is down leads to is documented; all other failures stay faults.
without_s3 = loaded(not_a_server_error={"expected-statuses": ["2xx", "4xx", "502", "503"]})
# An upload that was given up is pending again, by contract: its id goes on, and there is no 404 to wait for.
# That what was created is there (`ensure_resource_availability`) is asked.
workflow = loaded(use_after_free={"enabled": False})

bounded = hypothesis.settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An upload of alice's whose bytes have landed, and one of hers in parts that is unfinished."""

    id: str
    key: str
    in_parts: str


def granting(server: S3Server) -> dict[str, Any]:
    """Return settings that let every kind of caller in, and let them all that there is."""
    return settings_for(server, auth=AUTH, objects={"delete": True}, s3=WITH_SESSIONS, uppy=UPPY)


@pytest.fixture(scope="module")
def base_url(server: S3Server) -> Iterator[str]:
    """Run a service that lets every kind of caller in, and lets them delete."""
    with running_service(granting(server)) as url:
        yield url


@pytest.fixture(scope="module")
def base_url_without_s3() -> Iterator[str]:
    """Run the same service with nobody at the other end."""
    settings = granting(s3_that_is_down())
    with (
        pytest.MonkeyPatch.context() as patch,
        running_service(settings) as url,
    ):
        # Between its tries the S3 client waits, and a test has hundreds of requests.
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        yield url


@pytest.fixture(scope="module", params=CALLERS)
def who(request: pytest.FixtureRequest, base_url: str) -> Caller:
    """Run a test as every kind of caller."""
    return caller(request.param, base_url)


@pytest.fixture
def stored(base_url: str) -> Stored:
    """Store a file, for the operations that ask for one."""
    content = b"the bytes of a photo"
    upload = created(base_url, size=len(content), method="put")
    sent = httpx.put(upload["url"], content=content, headers=upload["headers"], trust_env=False)
    sent.raise_for_status()
    # Part 3 of the document's example is its last.
    in_parts = created(base_url, size=17 * 1024**2, method="multipart")
    return Stored(id=upload["id"], key=upload["key"], in_parts=in_parts["id"])


@pytest.fixture
def promised(base_url_without_s3: str) -> Stored:
    """Create an upload, which takes no S3; nothing is stored."""
    upload = created(base_url_without_s3, size=1, method="put")
    return Stored(id=upload["id"], key=upload["key"], in_parts=upload["id"])


@pytest.fixture
def answers(who: Caller) -> Iterator[Answers]:
    """Count an operation's answers by status; at the end, assert that some requests were granted, or none."""
    counted: Answers = Counter()
    yield counted
    for operation in {operation for operation, _ in counted}:
        granted = any(one == operation and status // 100 == 2 for one, status in counted)
        assert granted is not who.is_refused(operation), counted


@pytest.fixture
def answers_without_s3() -> Iterator[Answers]:
    """Count likewise; at the end, assert that what asks S3 said that it is down, and nothing else did."""
    counted: Answers = Counter()
    yield counted
    for operation in {operation for operation, _ in counted}:
        failed = {status for one, status in counted if one == operation and status // 100 == 5}
        if operation in MAY_ASK_S3:
            assert failed <= {503}, counted
        else:
            assert failed == ({503} if operation in ASK_S3 else set()), counted


def created(base_url: str, *, size: int, method: str) -> dict[str, Any]:
    """Create an upload of alice's."""
    asked = {"filename": "photo.jpg", "size": size, "method": method}
    answer = httpx.post(f"{base_url}/v1/uploads", json=asked, headers=authorization(), trust_env=False)
    upload: dict[str, Any] = answer.raise_for_status().json()
    return upload


def count(answers: Answers, case: Case, answer: schemathesis.Response) -> None:
    """Count an answer, and assert that a problem's code is one that the document names."""
    operation = OPERATIONS[case.operation.definition.raw["operationId"]]
    answers[operation.id, answer.status_code] += 1
    # By a method that it does not have, an address is another operation's or nobody's.
    if answer.status_code >= 400 and answer.request.method == operation.method.upper():
        assert answer.json()["code"] in operation.outcomes(), answer.text


def put_in(case: Case, stored: Stored) -> None:
    """Let what is there stand where the document names an example."""
    if case.path_parameters.get("id") == EXAMPLE_ID:
        in_parts = case.operation.definition.raw["operationId"] == "signParts"
        case.path_parameters["id"] = stored.in_parts if in_parts else stored.id
    if case.query.get("key") == EXAMPLE_KEY:
        case.query["key"] = stored.key
    if isinstance(case.body, dict) and case.body.get("key") == EXAMPLE_KEY:
        case.body["key"] = stored.key


@everything.parametrize()
@bounded
def test_every_answer_is_documented(
    case: Case, who: Caller, base_url: str, stored: Stored, answers: Answers
) -> None:
    """Whoever calls; never with a failure, and never without the credential that the document asks for."""
    put_in(case, stored)
    # The document cannot name the header of a proxy, so the check takes such a caller for nobody.
    excluded = [] if who.documented else [ignored_auth]
    answer = case.call_and_validate(base_url, headers=dict(who.headers), excluded_checks=excluded)
    count(answers, case, answer)


@without_s3.parametrize()
@bounded
def test_every_answer_is_documented_while_s3_is_down(
    case: Case, base_url_without_s3: str, promised: Stored, answers_without_s3: Answers
) -> None:
    """A failure is one that says that S3 is at fault."""
    put_in(case, promised)
    answer = case.call_and_validate(base_url_without_s3, headers=authorization())
    count(answers_without_s3, case, answer)


def test_what_was_created_is_there(base_url: str) -> None:
    """Whatever the order of looking, completing and giving up: an id goes from answer to request."""

    class Workflow(workflow.as_state_machine()):  # type: ignore[misc] # made at run time
        def get_call_kwargs(self, _case: Case) -> dict[str, Any]:
            return {"base_url": base_url, "headers": authorization()}

    Workflow.run(
        settings=hypothesis.settings(
            bounded, derandomize=True, database=None, max_examples=10, stateful_step_count=6
        )
    )
