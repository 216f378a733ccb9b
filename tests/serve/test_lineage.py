"""The drawing of where a profile came from."""

import json

from processor.profiles.document import from_json
from processor.serve.pages.lineage import MOST_DRAWN, Lineage, lineage
from tests.serve.people import document


def drawn(**fields: object) -> Lineage | None:
    return lineage(from_json(json.dumps(document(1, **fields)).encode()))


def alias(mpid: int, role: str = "destination", scope: str = "device") -> dict[str, object]:
    return {"role": role, "mpid": str(mpid), "start_ms": 1, "end_ms": 2, "scope": scope} | (
        {"device": "stamp"} if scope == "device" else {}
    )


def test_a_profile_that_is_source_and_alias_is_one_box_with_an_arrow_of_each_kind():
    found = drawn(source_mpid="2", aliases=[alias(2), alias(2), alias(3)])
    assert [node.mpid for node in found.nodes] == ["1", "2", "3"]
    assert [(edge.kind, edge.text) for edge in found.edges] == [
        ("source", "became known"),
        ("alias", "alias (device)"),
        ("alias", "alias (device)"),
    ]
    first, second = found.edges[:2]
    box = found.nodes[1]
    assert box.y < first.y1 < second.y1 < box.y + 40
    assert second.y1 - first.y1 >= 20, "their texts stand apart"


def test_it_stands_between_whom_it_came_from_and_whom_it_counts_for():
    found = drawn(absorbed=["2"], aliases=[alias(3, "source")])
    own, before, after = found.nodes
    assert before.x < own.x < after.x
    assert [(edge.x1 < edge.x2) for edge in found.edges] == [True, True]
    assert found.width == after.x + 200


def test_of_many_some_are_drawn_and_the_others_counted():
    found = drawn(absorbed=[str(mpid) for mpid in range(2, 2 + MOST_DRAWN + 3)])
    assert len(found.nodes) == 1 + MOST_DRAWN
    assert found.left_out == 3
    assert max(node.y for node in found.nodes) + 40 <= found.height


def test_who_came_from_nobody_is_not_drawn():
    assert drawn() is None
