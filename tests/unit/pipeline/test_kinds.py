"""A kind of record, and a format, is known wherever one is looked up."""

from typing import get_args

import pytest

from contracts.asyncapi import HEADERS, KEYS
from processor.codecs.avro.schemas import MESSAGES
from processor.codecs.formats import CONTENT_TYPES, Codecs
from processor.pipeline.intake import KINDS
from processor.rules import INPUT_ROLES, Format, Validation
from processor.settings.sections import TopicSettings
from processor.watch.expected import OUTCOMES


@pytest.mark.parametrize("table", [KINDS, OUTCOMES, MESSAGES, HEADERS, KEYS])
def test_every_role_of_an_input_is_in_each_table_of_roles(table):
    assert set(INPUT_ROLES) <= table.keys()


def test_every_role_of_an_input_has_topics_among_the_settings():
    topics = TopicSettings(**{role: (role,) for role in INPUT_ROLES})
    assert topics.inputs == INPUT_ROLES
    assert topics.roles == {role: role for role in INPUT_ROLES}


def test_every_format_has_a_content_type_and_opens_batches():
    formats = set(get_args(Format))
    assert formats == CONTENT_TYPES.keys()
    openers = Codecs().batches
    assert openers.keys() == set(get_args(Validation))
    assert all(formats == by_format.keys() for by_format in openers.values())
