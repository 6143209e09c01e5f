"""Every documented outcome of every operation is reached, and matches the document."""

import pytest
from tests.support.contract.document import OPERATIONS, assert_documented
from tests.support.contract.scenarios import SCENARIOS
from tests.support.contract.stage import Stage

from uploadsvc.api.problems import STATUS_TITLES

DOCUMENTED = [
    (operation.id, outcome) for operation in OPERATIONS.values() for outcome in operation.outcomes()
]


@pytest.mark.parametrize(("name", "outcome"), DOCUMENTED)
async def test_every_documented_outcome_is_reached(name: str, outcome: str, stage: Stage) -> None:
    assert (name, outcome) in SCENARIOS, "documented, but not reached by any scenario"
    operation = OPERATIONS[name]
    answer = await SCENARIOS[name, outcome](stage, operation)
    assert_documented(operation, answer)
    if outcome in STATUS_TITLES:
        assert (answer.json()["code"], answer.status_code) == (outcome, STATUS_TITLES[outcome][0]), (
            answer.text
        )
        # RFC 9110 sections 11.6.1 and 10.2.3, RFC 6585 section 4.
        assert ("www-authenticate" in answer.headers) is (answer.status_code == 401)
        waits = answer.status_code in {429, 503} or outcome == "object_unavailable"
        assert ("retry-after" in answer.headers) is waits
    else:
        assert str(answer.status_code) == outcome, answer.text


def test_every_scenario_is_documented() -> None:
    assert SCENARIOS.keys() <= set(DOCUMENTED), sorted(SCENARIOS.keys() - set(DOCUMENTED))
