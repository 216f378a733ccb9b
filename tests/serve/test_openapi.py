"""The running service is what its OpenAPI document says it is."""

import json

import hypothesis.strategies as st
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from processor.serve.openapi import openapi
from tests.docs.pages import ROOT
from tests.serve.people import ADA, CASES, MERGED, SCOPES, Service, scoped, token

# Of requests that fit the document some are refused all the same: nobody may have the MPID, a type
# may be no lookup. So what fits need not be accepted; what does not fit must be refused.
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
EXAMPLES = 20


def test_the_document_that_is_served_is_the_one_that_is_stored(service: Service):
    served = service.get("/openapi.json", None).json()
    assert served == openapi()
    assert served == json.loads((ROOT / "schemas/openapi.json").read_text())


def test_the_document_has_every_route():
    from tests.serve.test_scopes import TABLE

    shapes = {(o.method.upper(), o.path) for o in OPERATIONS}
    assert shapes == {key for key in TABLE if "/ui" not in key[1]} - {("GET", "/openapi.json")}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_as_the_document_says(service: Service, operation, mode):
    headers = {"Authorization": f"Bearer {token(scoped(SCOPES))}"}
    ids = st.sampled_from([*(case.request_id for case in CASES), "unknown"])
    mpids = st.sampled_from([str(ADA), str(MERGED), "99"])
    if mode is GenerationMode.NEGATIVE and not operation.query and not operation.body:
        return

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode), mpids, ids)
    def ask(case, mpid, request_id):
        if mode is GenerationMode.POSITIVE:
            if "workspace" in case.path_parameters:
                case.path_parameters["workspace"] = "retail"
            if "mpid" in case.path_parameters:
                case.path_parameters["mpid"] = mpid
            if "id" in case.path_parameters:
                case.path_parameters["id"] = request_id
            if "/dsr/" in case.path:
                case.query = {**(case.query or {}), "workspace": "retail"}
        response = case.call(base_url=service.url, headers=headers)
        case.validate_response(response, checks=CHECKS, headers=headers)

    ask()
