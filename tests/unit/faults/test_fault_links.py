"""Which links a planned fault is about."""

from harness.faults.link_ends import Link, by_member, links_of
from harness.records.plan import CLIENTS, FaultPlan, Setting

ALL = ("redis", "node-1", "node-2", "node-3", CLIENTS)


def links(targets: tuple[str, ...], peers: tuple[str, ...] = ALL, **settings: Setting) -> list[str]:
    plan = FaultPlan(id="f", fault="partition", at_s=0, targets=targets, peers=peers, settings=settings)
    return [str(link) for link in links_of(plan, without_clients=("redis",))]


def test_of_one_node_with_everyone__its_own_name_is_left_out():
    assert links(("node-2",)) == ["node-2–redis", "node-2–node-1", "node-2–node-3", "node-2–clients"]


def test_of_redis_with_everyone__clients_have_none():
    assert links(("redis",)) == ["redis–node-1", "redis–node-2", "redis–node-3"]
    assert links(("redis",), (CLIENTS,)) == []


def test_between_two_targets__both_ways__is_one_link():
    assert links(("node-1", "node-2"), ("node-1", "node-2")) == ["node-1–node-2"]


def test_between_two_targets__one_way__is_what_each_of_them_says():
    assert links(("node-1", "node-2"), ("node-1", "node-2"), direction="to") == [
        "node-1–node-2",
        "node-2–node-1",
    ]


def test_between_groups__is_every_pair_of_two_groups__seen_from_the_target():
    assert links(("node-1",), (), groups=("node-2 redis", "node-1")) == ["node-1–node-2", "node-1–redis"]
    assert links(("node-1", "node-3"), (), groups=("node-1", "redis node-2", "node-3")) == [
        "node-1–redis",
        "node-1–node-2",
        "node-1–node-3",
        "node-3–redis",
        "node-3–node-2",
    ]


def test_the_peers_of_each_member_are_gathered():
    assert by_member([Link("a", "x"), Link("b", "x"), Link("a", "y")]) == {"a": ("x", "y"), "b": ("x",)}
