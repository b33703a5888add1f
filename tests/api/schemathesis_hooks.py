"""What schemathesis cannot know: which services are on sale, what a cursor is, and that a key names one purchase.

Only requests that are meant to be accepted are changed. Loaded by its command line, see test_schema.py.
"""

import os
import uuid
from typing import Any

import schemathesis
from schemathesis import GenerationMode

# The key that schemathesis itself uses, which it would else find in the list of keys and revoke.
OWN_KEY = "SCHEMATHESIS_OWN_KEY_ID"
_ON_SALE = {"service": "test_instant", "country": "us"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Every service is one that exists, no cursor is invented, and no key is used for two purchases."""
    if isinstance(case.path_parameters, dict) and case.path_parameters.get("id") == os.environ.get(OWN_KEY):
        case.path_parameters["id"] = "key_" + "0" * 26
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if case.operation.label == "POST /verifications" and isinstance(case.body, dict):
        case.body.update(_ON_SALE)
    if isinstance(case.query, dict):
        case.query.pop("cursor", None)
        if case.operation.label == "GET /offers":
            case.query.update({name: value for name, value in _ON_SALE.items() if name in case.query})
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
