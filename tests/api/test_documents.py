"""The OpenAPI document and the reference page say what is true, and all of it."""

import ast
import asyncio
import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

import namaskah.api
from namaskah.api.openapi import document, document_json, errors_of
from namaskah.api.operations import OPERATIONS
from namaskah.api.problem import Problem
from namaskah.api.reference_page import HEADERS, curl, page
from namaskah.api.router import Router
from namaskah.core.errors import MethodNotAllowed, NamaskahError
from tests.api.processes import serving

DOCUMENT = json.loads(document_json(OPERATIONS))


def described():
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_ids_of_the_operations_never_change():
    assert sorted(operation["operationId"] for _, operation in described()) == [
        "askForAnotherCode", "cancelVerification", "createApiKey", "finishVerification", "listApiKeys", "listCountries",
        "listOffers", "listServices", "listTransactions", "listVerifications", "readAccount", "readDocs", "readOpenapi",
        "readUsage", "readVerification", "readWallet", "refillTestWallet", "reportVerification", "reuseNumber",
        "revokeApiKey", "startVerification", "streamEvents",
    ]  # fmt: skip


def test_every_reference_in_the_document_leads_somewhere():
    for reference in set(re.findall(r'"\$ref":\s*"([^"]+)"', document_json(OPERATIONS).decode())):
        found = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.operation_id)
def test_every_operation_has_examples_that_are_true(operation):
    if operation.request is not None:
        assert operation.request_example is not None
        msgspec.convert(dict(operation.request_example), operation.request)
    for status, success in operation.success.items():
        if status in (204, 304):
            continue
        assert success.example is not None
        if success.shape is not None:
            msgspec.json.decode(msgspec.json.encode(success.example), type=success.shape, strict=True)
            assert set(success.example) == set(success.shape.__struct_encode_fields__)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.operation_id)
def test_every_error_has_its_status_and_its_code_in_the_document(operation):
    responses = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
    for error in errors_of(operation):
        content = responses[str(error.status)]["content"]["application/problem+json"]
        example = msgspec.convert(content["examples"][error.code]["value"], Problem)
        assert (example.code, example.status) == (error.code, error.status)
        assert f"`{error.code}`" in responses[str(error.status)]["description"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.operation_id)
def test_requests_allow_no_unknown_fields(operation):
    if operation.request is not None:
        assert DOCUMENT["components"]["schemas"][operation.request.__name__]["additionalProperties"] is False


def test_every_error_of_the_api_is_documented_somewhere():
    documented = {error for operation in OPERATIONS for error in errors_of(operation)}
    tree = ast.parse((Path(namaskah.api.__file__).parent / "errors.py").read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    # Unknown addresses and methods belong to no operation.
    assert names - {error.__name__ for error in documented} == {"UnknownAddress"}


def test_the_document_needs_no_host_and_names_the_release():
    assert DOCUMENT["openapi"] == "3.1.0"
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/api/v2"]
    assert DOCUMENT["info"]["x-release"] == namaskah.__version__
    assert document(OPERATIONS) == document(OPERATIONS)


async def test_document_and_page_are_served_to_everybody(anonymous):
    served = await anonymous.get("/openapi.json")
    assert served.json() == DOCUMENT
    html = await anonymous.get("/docs")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in html.headers["content-security-policy"]
    assert html.text == page(OPERATIONS)


class Tags(HTMLParser):
    """Which tags are open at the end, which ids there are, which links, and what the page would load."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.loaded = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.loaded += [value for name, value in given.items() if name == "src" or (tag == "link" and name == "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_reference_page_is_whole_and_loads_nothing():
    tags = Tags(page(OPERATIONS))
    assert tags.open == []
    assert tags.loaded == []
    assert "<script" not in page(OPERATIONS)
    assert len(tags.ids) == len(set(tags.ids))
    inside = {link.removeprefix("#") for link in tags.links if link.startswith("#")}
    assert inside <= set(tags.ids)
    assert {operation.operation_id for operation in OPERATIONS} <= set(tags.ids)


def test_the_pages_style_is_the_one_that_its_policy_allows():
    style = page(OPERATIONS).partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest())
    assert b"'sha256-" + digest + b"'" in dict(HEADERS)[b"content-security-policy"]


async def test_the_pages_curl_lines_work_when_pasted(database_url, new_customer):
    """Every reading command as it stands, with the host of this test's server."""
    tester = await new_customer(livemode=False)
    async with serving(database_url) as server:
        for operation in OPERATIONS:
            if operation.method != "GET" or operation.path_id is not None or operation.tag == "Events":
                continue
            line = curl(operation).replace("$API", server.base)
            shell = await asyncio.create_subprocess_shell(
                f"{line} -s -o /dev/null -w '%{{http_code}}'",
                env={"NAMASKAH_KEY": tester.secret, "PATH": "/usr/bin:/bin"}, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            printed, _ = await shell.communicate()
            assert printed == b"200", line
        buy = curl(next(one for one in OPERATIONS if one.operation_id == "startVerification"))
        buy = buy.replace("$API", server.base).replace("telegram", "test_instant")
        shell = await asyncio.create_subprocess_shell(
            f"{buy} -s", env={"NAMASKAH_KEY": tester.secret, "PATH": "/usr/bin:/bin"}, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await shell.communicate()
        assert json.loads(printed)["object"] == "verification"


def test_an_address_without_operation_is_no_operation():
    router = Router(OPERATIONS)
    assert router.methods("/nothing") == ()
    with pytest.raises(MethodNotAllowed):
        router.find("POST", "/wallet")
    with pytest.raises(NamaskahError):
        router.find("GET", "/verifications//cancel")


@pytest.mark.parametrize("twice", OPERATIONS[:2])
def test_two_operations_cannot_have_one_address(twice):
    with pytest.raises(ValueError, match="twice"):
        Router([*OPERATIONS, twice])
