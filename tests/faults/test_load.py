"""What the load under fire holds: every class of bad input, repeated ids, consent."""

import json
from collections import Counter

from tests.faults.load import BAD, CLASS, load


def test_every_class_of_bad_input_comes_before_chance_has_its_way():
    bad = [
        name.decode()
        for sent in load(1, 2_000, 400, bad=0.1)
        for header, name in sent.headers
        if header == CLASS
    ]
    assert set(bad) == set(BAD)


def test_ids_of_batches_are_repeated_and_people_change_their_minds():
    batches = [
        json.loads(sent.value)
        for sent in load(1, 2_000, 0, bad=0.0)
        if sent.topic == "event-batches" and sent.value
    ]
    ids = Counter(b["source_request_id"] for b in batches if "source_request_id" in b)
    assert ids.total() - len(ids) > 0.15 * ids.total()
    answers: dict[str, set[bool]] = {}
    for batch in batches:
        for purpose, answer in batch.get("consent_state", {}).get("gdpr", {}).items():
            person = batch["device_info"]["ios_idfv"]
            answers.setdefault(f"{person} {purpose}", set()).add(answer["consented"])
    assert sum(len(said) == 2 for said in answers.values()) > 20
