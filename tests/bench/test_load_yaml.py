"""load-test.yml: its requests exist, they are the steps of the virtual users, and it cannot touch real money."""

import re
from typing import Any

import pytest
import yaml

from bench.load import SIGN_INS_ELSEWHERE
from bench.users import SANDBOX, STEPS
from namaskah.accounts.sign_in_limits import FAILURES
from namaskah.api.operations import OPERATIONS
from namaskah.providers.sandbox import SANDBOX_CASES
from namaskah.web.app import _ROUTES
from tests.architecture.source import ROOT

FILE = ROOT / "load-test.yml"
MADE: dict[str, Any] = yaml.safe_load(FILE.read_text())
FLOW: list[dict[str, Any]] = MADE["scenarios"][0]["flow"]
VERBS = ("get", "post", "put", "patch", "delete")


def requests(flow: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for step in flow:
        if "loop" in step:
            found += requests(step["loop"])
        found += [(verb.upper(), step[verb]) for verb in VERBS if verb in step]
    return found


ASKED = requests(FLOW)


def test_the_steps_are_those_of_the_virtual_users_in_their_order() -> None:
    names = [request["name"] for _, request in ASKED]
    assert [name for name in names if name != "refill"] == list(STEPS)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("method", "request_"), ASKED, ids=[request["name"] for _, request in ASKED])
def test_every_request_is_an_operation_of_the_api_or_a_page(method: str, request_: dict[str, Any]) -> None:
    path = re.sub(r"\{\{ \w+ \}\}", "{id}", request_["url"].partition("?")[0])
    api = {(operation.method, f"/api/v2{operation.path}") for operation in OPERATIONS}
    pages = {(verb, path) for path, verbs in _ROUTES.items() for verb in verbs}
    assert (method, path) in api | pages


@pytest.mark.parametrize(("method", "request_"), ASKED, ids=[request["name"] for _, request in ASKED])
def test_every_answer_is_checked(method: str, request_: dict[str, Any]) -> None:
    statuses = [one["statusCode"] for one in request_["expect"] if "statusCode" in one]
    path = re.sub(r"\{\{ \w+ \}\}", "{id}", request_["url"].partition("?")[0])
    documented = {(one.method, f"/api/v2{one.path}"): set(one.success) for one in OPERATIONS}
    assert len(statuses) == 1
    assert statuses[0] in documented.get((method, path), {200, 303})


def test_only_services_of_the_sandbox_are_bought() -> None:
    assert MADE["config"]["variables"]["service"] == list(SANDBOX)
    assert set(SANDBOX) <= set(SANDBOX_CASES)
    [buy] = [request for _, request in ASKED if request["name"] == "buy"]
    assert buy["json"] == {"service": "{{ service }}", "country": "us"}


def test_a_live_key_ends_the_flow_before_anything_is_bought() -> None:
    names = [request["name"] for _, request in ASKED]
    [refill] = [request for _, request in ASKED if request["name"] == "refill"]
    # Artillery ends a user whose capture finds nothing; the refusal of a live key has no such field.
    assert refill["capture"] == [{"json": "$.livemode", "as": "livemode"}]
    assert names.index("refill") < names.index("buy")


def test_the_targets_are_those_of_the_platform() -> None:
    assert MADE["config"]["ensure"] == {"maxErrorRate": 0.5, "thresholds": [{"http.response_time.mean": 150}]}
    assert set(MADE["config"]["plugins"]) == {"ensure", "expect", "metrics-by-endpoint"}


def test_the_levels_reach_what_their_names_say_and_sign_in_no_faster_than_one_address_may() -> None:
    loop = next(step for step in FLOW if "loop" in step)
    session = loop["count"] * sum(step.get("think", 0) for step in loop["loop"])
    assert session == 80
    fastest = {name: max(phase["arrivalRate"] for phase in one["phases"]) for name, one in MADE["config"]["environments"].items()}
    assert fastest["users-500"] * session >= 480 and fastest["users-1000"] * session >= 960
    # A sign-in takes well under half a second, so fewer than ten are ever under way.
    assert max(fastest.values()) / 2 < FAILURES and SIGN_INS_ELSEWHERE / 2 < FAILURES
    assert MADE["config"]["phases"][-1]["arrivalRate"] * session >= 100


def test_every_list_of_phases_has_the_same_fields_because_artillery_merges_them_by_place() -> None:
    lists = [MADE["config"]["phases"], *(one["phases"] for one in MADE["config"]["environments"].values())]
    shapes = [[sorted(phase) for phase in phases] for phases in lists]
    assert shapes == [[["arrivalRate", "duration", "name", "rampTo"]] * 2] * len(lists)


def test_no_secret_stands_in_the_file() -> None:
    text = FILE.read_text()
    assert set(re.findall(r"\$env\.(\w+)", text)) == {"LOAD_EMAIL", "LOAD_PASSWORD", "LOAD_KEY"}
    assert not re.search(r"nmk_(live|test)_[0-9A-Za-z]", text)
