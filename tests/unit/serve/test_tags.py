"""Tags tell apart whatever shows a profile in other bytes."""

from msgspec.structs import replace

from processor.index.tokens import tokens
from processor.serve.credentials import Token
from processor.serve.native import Rights
from processor.serve.tags import aspect_of
from tests.serve.people import settings_of

SETTINGS = settings_of()
WORKSPACE = SETTINGS.workspaces["retail"]
READER = Token("crm", frozenset(), frozenset(), frozenset({"profiles:read"}), 1.0, ("*",), None)
RIGHTS = Rights("retail", WORKSPACE.policy, READER, tokens(b"key"))


def test_another_environment_key_or_right_is_another_tag():
    clear = replace(READER, scopes=frozenset({"profiles:read", "identities:clear"}))
    seen = [
        aspect_of("profile", "production", RIGHTS),
        aspect_of("profile", "development", RIGHTS),
        aspect_of("published", "production", RIGHTS),
        aspect_of("profile", "production", replace(RIGHTS, to_token=tokens(b"other"))),
        aspect_of("profile", "production", replace(RIGHTS, token=clear)),
        aspect_of("profile", "production", replace(RIGHTS, parts=frozenset({"links"}))),
        aspect_of("profile", "production", replace(RIGHTS, workspace="shop")),
        aspect_of("published", "production", replace(RIGHTS, audiences={"new": 1})),
    ]
    assert len(set(seen)) == len(seen)
    assert aspect_of("profile", "production", replace(RIGHTS, to_token=tokens(b"key"))) == seen[0]


def test_a_calculated_attribute_that_means_something_else_is_another_tag():
    definitions = SETTINGS.computed["retail"].workspaces["retail"]
    orders = definitions.calculated["orders_30d"]
    seen = {
        aspect_of("profile", "production", replace(RIGHTS, definitions=one))
        for one in (
            definitions,
            None,
            *(
                replace(definitions, calculated={**definitions.calculated, "orders_30d": other})
                for other in (replace(orders, mark=b"other"), replace(orders, version=2))
            ),
        )
    }
    assert len(seen) == 4
