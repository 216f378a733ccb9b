"""What pages say of a batch."""

from processor.serve.pages.words import MOST_EVENTS, event_lines


def test_a_batch_of_many_events_takes_little_room():
    event = {"event_type": "custom_event", "data": {"event_name": "Checkout"}}
    assert (
        event_lines({"events": [event] * MOST_EVENTS}) == ["custom_event: Checkout"] * MOST_EVENTS
    )
    lines = event_lines({"events": [event] * 5000})
    assert len(lines) == MOST_EVENTS + 1
    assert lines[-1] == "and 4980 more"
