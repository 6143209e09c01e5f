"""Schemathesis against the whole API, with every kind of credential.

All of its checks are on, except where a comment says why not.
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
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection
from schemathesis.specs.openapi.schemas import OpenApiSchema
from tests.support.api import s3_that_is_down
from tests.support.contract.callers import AUTH, CALLERS, Caller, caller
from tests.support.contract.document import DOCUMENT, OPERATIONS, schema_errors
from tests.support.contract.running import running_service
from tests.support.contract.stage import UPPY, WITH_SESSIONS
from tests.support.servers import S3Server
from tests.support.service import authorization, settings_for

from uploadsvc.api.v1.schema_base import EXAMPLE_KEY

Case = schemathesis.Case[Any]
Answers = Counter[tuple[str, int]]

EXAMPLE_ID: Final = "aGFuZGxl"
"""Example id in the document."""

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
MAY_ASK_S3: Final = frozenset({"createUpload", "createDownload", "signUppyRequest"})
"""For multipart uploads only."""


def load_document(**checks: object) -> OpenApiSchema:
    """Load the document with these settings of Schemathesis' checks."""
    config = {
        "seed": 20261123,
        "generation": {
            "deterministic": True,
            "database": "none",
            # Made-up credentials would replace the caller's.
            "with-security-parameters": False,
        },
        # The tests' keys and tokens are no secrets, and "key" is the name of a field.
        "output": {"sanitization": {"enabled": False}},
        "checks": {
            # A schema cannot express what policies refuse; `test_statuses.py` reaches each refusal.
            "positive_data_acceptance": {"enabled": False},
            # It needs two users in its own configuration; `test_statuses.py` asks for targets of other users.
            "object_level_authorization": {"enabled": False},
            **checks,
        },
        # With methods other than POST, "batch" is an unknown upload id.
        "operations": [
            {"include-path": "/v1/uploads/batch", "checks": {"allow_header_conformance": {"enabled": False}}},
            # FastAPI accepts null as no body, which generated clients must not know.
            {
                "include-path": "/v1/uploads/{id}/complete",
                "checks": {"negative_data_rejection": {"enabled": False}},
            },
        ],
    }
    return schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict(config))


everything = load_document()
# Failures of a store that is down are documented; all others are errors.
without_s3 = load_document(not_a_server_error={"expected-statuses": ["2xx", "4xx", "502", "503"]})
# A deleted upload is pending again by contract, so there is no 404 to expect. The existence of new uploads
# (`ensure_resource_availability`) is checked.
workflow = load_document(use_after_free={"enabled": False})

bounded = hypothesis.settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """A stored upload of alice's, and an unfinished multipart upload."""

    id: str
    key: str
    in_parts: str


def permissive_settings(server: S3Server) -> dict[str, Any]:
    """Return settings that accept every kind of credential and enable every operation."""
    return settings_for(server, auth=AUTH, objects={"delete": True}, s3=WITH_SESSIONS, uppy=UPPY)


@pytest.fixture(scope="module")
def base_url(server: S3Server) -> Iterator[str]:
    """Run a service that accepts every kind of credential."""
    with running_service(permissive_settings(server)) as url:
        yield url


@pytest.fixture(scope="module")
def base_url_without_s3() -> Iterator[str]:
    """Run the same service with an S3 that is down."""
    settings = permissive_settings(s3_that_is_down())
    with (
        pytest.MonkeyPatch.context() as patch,
        running_service(settings) as url,
    ):
        # A test has hundreds of requests, so the S3 client must not wait between retries.
        patch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
        yield url


@pytest.fixture(scope="module", params=CALLERS)
def who(request: pytest.FixtureRequest, base_url: str) -> Caller:
    """Run a test with every kind of credential."""
    return caller(request.param, base_url)


@pytest.fixture
def stored(base_url: str) -> Targets:
    """Store a file for operations that need one."""
    content = b"the bytes of a photo"
    upload = created(base_url, size=len(content), method="put")
    sent = httpx.put(upload["url"], content=content, headers=upload["headers"], trust_env=False)
    sent.raise_for_status()
    # The document's example has three parts.
    in_parts = created(base_url, size=17 * 1024**2, method="multipart")
    return Targets(id=upload["id"], key=upload["key"], in_parts=in_parts["id"])


@pytest.fixture
def promised(base_url_without_s3: str) -> Targets:
    """Create an upload without storing anything, which needs no S3."""
    upload = created(base_url_without_s3, size=1, method="put")
    return Targets(id=upload["id"], key=upload["key"], in_parts=upload["id"])


@pytest.fixture
def answers(who: Caller) -> Iterator[Answers]:
    """Count responses by status; finally assert that some or none were granted, as the credential allows."""
    counted: Answers = Counter()
    yield counted
    for operation in {operation for operation, _ in counted}:
        granted = any(one == operation and status // 100 == 2 for one, status in counted)
        assert granted is not who.is_refused(operation), counted


@pytest.fixture
def answers_without_s3() -> Iterator[Answers]:
    """Count responses by status; finally assert that exactly the operations that call S3 answered 503."""
    counted: Answers = Counter()
    yield counted
    for operation in {operation for operation, _ in counted}:
        failed = {status for one, status in counted if one == operation and status // 100 == 5}
        if operation in MAY_ASK_S3:
            assert failed <= {503}, counted
        else:
            assert failed == ({503} if operation in ASK_S3 else set()), counted


def created(base_url: str, *, size: int, method: str) -> dict[str, Any]:
    """Create an upload as alice."""
    asked = {"filename": "photo.jpg", "size": size, "method": method}
    answer = httpx.post(f"{base_url}/v1/uploads", json=asked, headers=authorization(), trust_env=False)
    upload: dict[str, Any] = answer.raise_for_status().json()
    return upload


def count(answers: Answers, case: Case, answer: schemathesis.Response) -> None:
    """Count a response, and assert that the document names a problem's code."""
    operation = OPERATIONS[case.operation.definition.raw["operationId"]]
    answers[operation.id, answer.status_code] += 1
    # With another method, the path is another operation's, or none.
    if answer.status_code >= 400 and answer.request.method == operation.method.upper():
        assert answer.json()["code"] in operation.outcomes(), answer.text


def use_existing_targets(case: Case, stored: Targets) -> None:
    """Replace the document's example id and key with existing ones."""
    if case.path_parameters.get("id") == EXAMPLE_ID:
        in_parts = case.operation.definition.raw["operationId"] == "signParts"
        case.path_parameters["id"] = stored.in_parts if in_parts else stored.id
    if case.query.get("key") == EXAMPLE_KEY:
        case.query["key"] = stored.key
    if isinstance(case.body, dict) and case.body.get("key") == EXAMPLE_KEY:
        case.body["key"] = stored.key


def without_nulls(value: object) -> object:
    """Return a body without the members that are null."""
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return value


def is_valid_but_for_nulls(case: Case) -> bool:
    """Tell whether a body is valid without its nulls. The service takes it, but clients must not know."""
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    return any(not schema_errors(media["schema"], without_nulls(case.body)) for media in content.values())


@everything.parametrize()
@bounded
def test_every_response_is_documented(
    case: Case, who: Caller, base_url: str, stored: Targets, answers: Answers
) -> None:
    use_existing_targets(case, stored)
    # The document does not name the proxy's header, so the check would see no credential.
    excluded: list[Any] = [] if who.documented else [ignored_auth]
    if is_valid_but_for_nulls(case):
        excluded.append(negative_data_rejection)
    answer = case.call_and_validate(base_url, headers=dict(who.headers), excluded_checks=excluded)
    count(answers, case, answer)


@without_s3.parametrize()
@bounded
def test_every_response_is_documented_while_s3_is_down(
    case: Case, base_url_without_s3: str, promised: Targets, answers_without_s3: Answers
) -> None:
    use_existing_targets(case, promised)
    excluded: list[Any] = [negative_data_rejection] if is_valid_but_for_nulls(case) else []
    answer = case.call_and_validate(base_url_without_s3, headers=authorization(), excluded_checks=excluded)
    count(answers_without_s3, case, answer)


def test_ids_of_new_uploads_work_in_every_order_of_calls(base_url: str) -> None:
    class Workflow(workflow.as_state_machine()):  # type: ignore[misc] # made at run time
        def get_call_kwargs(self, _case: Case) -> dict[str, Any]:
            return {"base_url": base_url, "headers": authorization()}

    Workflow.run(
        settings=hypothesis.settings(
            bounded, derandomize=True, database=None, max_examples=10, stateful_step_count=6
        )
    )
