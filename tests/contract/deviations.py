"""The API's contract, and where the API is known to deviate from it: each difference with its reason and an example.

`openapi.yaml` is the vendor's document as published. Both servers are held to it except for these differences. That the
reference server has them too shows that they are the framework's, and not mistakes of the mock server.
"""

from pathlib import Path
from typing import Any, TypeAlias

import yaml
from attrs import field, frozen

from piriod_async.testing.mock_server.countries import COUNTRIES

Schema: TypeAlias = dict[str, Any]
CONTRACT = Path(__file__).parent / "openapi.yaml"

ANYTHING: Schema = {"type": ["integer", "string"]}
ANY_TEXT: Schema = {"type": "string"}
TEXT_FILTER: Schema = {"type": "string", "pattern": "^[^\\u0000]*$"}
DATE_TIME: Schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"enum": [""]}]}
ERROR: Schema = {"$ref": "#/components/schemas/Error"}
FIELD_MAP: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": "string"}},
}

# the filters that the contract names in descriptions only
LOOKUPS = {"created__gte": DATE_TIME, "created__lte": DATE_TIME, "metadata__plan": TEXT_FILTER}


@frozen
class Deviation:
    """A difference between the contract and the API.

    Attributes:
        reason: How the API differs.
        example: Parameters of a request that shows it.
        status: Status of the response to that.
        parameters: The schema that the API has for these parameters, where that is the difference.
        response: The schema of the body, where the contract lacks the status.
    """

    reason: str
    example: dict[str, Any]
    status: str
    parameters: dict[str, Schema] = field(factory=dict)
    response: Schema | None = None

    def amend(self, operation: dict[str, Any]) -> None:
        """Change the operation of a contract to what the API does."""
        for parameter in operation["parameters"]:
            parameter["schema"] = self.parameters.get(parameter["name"], parameter["schema"])
        if self.response:
            content = {"application/json": {"schema": self.response}}
            operation["responses"][self.status] = {"description": self.reason, "content": content}


DEVIATIONS = (
    Deviation("a bad filter is a map of fields to messages", {"created__gte": "x"}, "400", response=FIELD_MAP),
    Deviation("page 0, or one past the end, is not found", {"page": 0}, "404", response=ERROR),
    Deviation("a page_size above 100 is 100", {"page_size": 101}, "200", {"page_size": ANYTHING}),
    Deviation("all but `true` is live data", {"x-piriod-test-mode": "on"}, "200", {"x-piriod-test-mode": ANY_TEXT}),
    Deviation("`created` is no filter, only its lookups are", {"created": "x"}, "200", {"created": ANY_TEXT}),
    Deviation("an unknown country is refused", {"country": "XX"}, "400", {"country": {"enum": ["", *COUNTRIES]}}),
    Deviation(
        "null characters are refused",
        {"email": "\0"},
        "400",
        dict.fromkeys(("email", "name", "tax_id", "subscriptions", "sources"), TEXT_FILTER),
    ),
)


def contract(*deviations: Deviation) -> dict[str, Any]:
    """Return the contract with its lookups and these deviations."""
    document: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    operation = document["paths"]["/customers/"]["get"]
    shared = {f"#/components/parameters/{name}": each for name, each in document["components"]["parameters"].items()}
    parameters = [shared[each["$ref"]] if "$ref" in each else each for each in operation["parameters"]]
    lookups = [{"name": name, "in": "query", "schema": schema} for name, schema in LOOKUPS.items()]
    operation["parameters"] = [*parameters, *lookups]
    for deviation in deviations:
        deviation.amend(operation)
    return document
