"""The comparisons are asserts: let pytest explain them."""

import pytest

pytest.register_assert_rewrite(
    "tests.conformance.expectations", "tests.conformance.story", "tests.conformance.flat_story"
)
