"""A form needs no preflight; its answer shows whether pages may read it."""

from collections.abc import Mapping

import httpx
import pytest
from tests.support.doctor import ORIGIN, OTHER_ORIGIN, settings_of
from tests.support.servers import S3Server

from uploadsvc.bootstrap.doctor import doctor_target
from uploadsvc.doctor.canaries import Outcome
from uploadsvc.doctor.checks.cors import with_forms
from uploadsvc.doctor.findings import Finding, failed, ok
from uploadsvc.doctor.probes import Probe
from uploadsvc.doctor.responses import S3Response
from uploadsvc.settings import Settings

WELL = ok(f"cors:{ORIGIN}", "preflights pass")


def after_a_form(
    server: S3Server,
    finding: Finding,
    allowed: str | None,
    more: Mapping[str, str] | None = None,
    *,
    status: int = 204,
) -> Finding:
    """Judge an origin once more, after a form as one of its pages sends it got this answer."""
    target = doctor_target(Settings.model_validate(settings_of(server)))
    headers = {**({} if allowed is None else {"Access-Control-Allow-Origin": allowed}), **(more or {})}
    accepted = status < 300
    outcome = Outcome(
        response=S3Response(status=status), headers=httpx.Headers(headers), passed=accepted, stored=accepted
    )
    return with_forms(finding, target, [Probe(policy="default", method="post", outcomes=(outcome,))])


@pytest.mark.parametrize("allowed", [None, OTHER_ORIGIN])
def test_an_unreadable_answer_is_named(moto_server: S3Server, allowed: str | None) -> None:
    """The page would not know that its file is stored."""
    finding = after_a_form(moto_server, WELL, allowed)
    assert finding.status == "failed"
    assert finding.found.startswith("pages may not read the answer to a form (")


def test_other_findings_stay(moto_server: S3Server) -> None:
    """A readable answer, a refused form, another origin, and an earlier failure."""
    assert after_a_form(moto_server, WELL, ORIGIN) == WELL
    assert after_a_form(moto_server, WELL, None, status=403) == WELL
    other = ok(f"cors:{OTHER_ORIGIN}", "preflights pass")
    assert after_a_form(moto_server, other, None) == other
    worse = failed(f"cors:{ORIGIN}", "pages may send nothing", "mend")
    assert after_a_form(moto_server, worse, None) == worse


def test_a_hidden_location_is_a_warning(moto_server: S3Server) -> None:
    """Uploads work, but Uppy 5 reads the file's address there."""
    hidden = after_a_form(moto_server, WELL, ORIGIN, {"Location": "http://127.0.0.1/key"})
    assert hidden.status == "warning"
    assert "Location" in hidden.found
    exposed = {"Access-Control-Expose-Headers": "ETag, Location"}
    assert after_a_form(moto_server, WELL, ORIGIN, {"Location": "http://127.0.0.1/key", **exposed}) == WELL
