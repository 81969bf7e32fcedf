"""The gateway keeps to its own OpenAPI document, whatever it is sent."""

from typing import Any

import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.http.conftest import Address

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
BEARER_ALONE = ("/api-keys/generate", "/uploads")
EXAMPLES = 15
"""Per operation of data that the document allows, and as many of data that it does not allow."""


def test_the_document_is_valid(gateway: Address) -> None:
    document = orjson.loads(requests.get(f"{gateway.url}/openapi.json", timeout=10).content)
    validate(document)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    known = {"/api/v1/uploads", "/v2/media/file", "/base/", "/api/upload", "/platform/v1/uploads/{upload_id}"}
    assert known <= document["paths"].keys()


@pytest.mark.timeout(300)  # some thousand requests
def test_every_operation_answers_as_documented(gateway: Address) -> None:
    document = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    failures = []
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        can_be_wrong = len(operation.body) or len(operation.query)
        for mode in MODES if can_be_wrong else MODES[:1]:
            try:
                exercise(operation, mode, gateway)
            except Exception as failure:
                failures.append(failure)
    if failures:
        raise ExceptionGroup("operations that did not answer as documented", failures)


def fill_in_key(case: Case[Any], public_key: str) -> None:
    """Of the Uploadcare API: no generator can guess it."""
    for values in (case.query, case.body):
        for name in ("pub_key", "UPLOADCARE_PUB_KEY"):
            if isinstance(values, dict) and name in values:
                values[name] = public_key


def fill_in_account(case: Case[Any], account: str) -> None:
    """Of the Upload24 API: an account must be linked."""
    if isinstance(case.body, dict) and isinstance(case.body.get("accounts"), list):
        case.body["accounts"] = [account]


def credentials(operation: APIOperation[Any, Any, Any, Any], gateway: Address) -> dict[str, str]:
    """Of the API; none minds what another one asks for."""
    authorization = f"Uploadcare.Simple {gateway.public_key}:{gateway.secret_key}"
    if "medialab" in (operation.tags or ()):
        authorization = f"Private-Token {gateway.private_token}"
    if operation.path in BEARER_ALONE:
        authorization = f"Bearer {gateway.bearer_token}"
    return {
        "X-API-Key": gateway.api_key,
        "Authorization": authorization,
        "Accept": "application/vnd.uploadcare-v0.7+json",
    }


def exercise(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, gateway: Address) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answer_as_documented(case: Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and "owner" in case.body:
            case.body["owner"] = gateway.org  # no generator can guess it
        if mode is GenerationMode.POSITIVE:
            fill_in_key(case, gateway.public_key)
            fill_in_account(case, gateway.account)
        case.call_and_validate(headers=credentials(operation, gateway), checks=CHECKS, timeout=20)

    answer_as_documented()
