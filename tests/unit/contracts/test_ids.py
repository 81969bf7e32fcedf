"""Ids that are ours."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from contracts.ids import first_id_of, new_id


def test_a_new_id_is_a_uuid_of_version_7_and_of_this_moment() -> None:
    before = datetime.now(UTC)
    made = new_id()
    after = datetime.now(UTC) + timedelta(milliseconds=1)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert first_id_of(before) <= made < first_id_of(after)


def test_ids_that_are_made_later_are_greater() -> None:
    made = [new_id() for _ in range(1000)]
    milliseconds = [made_id.int >> 80 for made_id in made]
    assert milliseconds == sorted(milliseconds)
    assert len(set(made)) == len(made)
