"""Test the number of sessions that can be selected for one anonymization."""

from __future__ import annotations

import pytest

from sessions_app.chosen import ChoiceRefused, chosen_ids


def test_a_hundred_sessions_can_be_chosen_and_no_more() -> None:
    assert chosen_ids([str(number) for number in range(1, 101)]) == list(range(1, 101))
    with pytest.raises(ChoiceRefused, match=r"^You can select at most 100 at once\.$"):
        chosen_ids([str(number) for number in range(1, 102)])
