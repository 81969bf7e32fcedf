import re
from datetime import timedelta

import pytest

from contracts.events import EVENT_BY_TYPE, ObjectStored, UploadCompleted
from libs.messaging.topology import EVENTS, GENERATION, UNCONSUMED, Topology, Version, definitions, tier_name

TOPOLOGY = Topology({"session": [ObjectStored.type], "transcoder": [UploadCompleted.type], "delivery": [UploadCompleted.type]})


@pytest.mark.parametrize(
    ("tier", "name"),
    [({"seconds": 5}, "5s"), ({"minutes": 30}, "30m"), ({"milliseconds": 250}, "250ms"), ({"seconds": 90}, "90s")],
)
def test_tiers_are_named_after_their_length(tier: dict[str, int], name: str) -> None:
    assert tier_name(timedelta(**tier)) == name


def test_every_event_type_is_bound_somewhere() -> None:
    bound = {key for queue in TOPOLOGY.queues if queue.exchange == EVENTS for key in queue.routing_keys}
    assert bound == set(EVENT_BY_TYPE)
    (unconsumed,) = [queue for queue in TOPOLOGY.queues if queue.name == UNCONSUMED]
    assert set(unconsumed.routing_keys) == set(EVENT_BY_TYPE) - {ObjectStored.type, UploadCompleted.type}


def test_every_queue_matches_exactly_its_own_policy() -> None:
    policies = {queue.policy.name: queue.policy for queue in TOPOLOGY.queues if queue.policy}
    for queue in TOPOLOGY.queues:
        matching = [policy.name for policy in policies.values() if re.search(policy.pattern, queue.name)]
        assert matching == ([queue.policy.name] if queue.policy else [])


@pytest.mark.parametrize("version", ["3.10", "4"])
def test_queues_carry_no_arguments_but_their_type(version: Version) -> None:
    document = definitions(TOPOLOGY, version)
    assert all(set(queue["arguments"]) == {"x-queue-type"} and queue["durable"] for queue in document["queues"])
    streams = [queue["name"] for queue in document["queues"] if queue["arguments"]["x-queue-type"] != "quorum"]
    assert streams == [GENERATION]
    assert "users" not in document


def test_messages_that_the_broker_gives_up_reach_the_dead_letters_of_their_service() -> None:
    policies = {policy["name"]: policy["definition"] for policy in definitions(TOPOLOGY, "3.10")["policies"]}
    assert policies["work.session"]["dead-letter-routing-key"] == "session"
    assert policies["work.session"]["dead-letter-strategy"] == "at-least-once"
