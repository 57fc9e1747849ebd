"""Members in the report: what they used as small curves with exact words, with gaps, and bounded."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.records.codec import write_json
from harness.records.metrics import Sample
from reports import html, sparklines
from reports.run import load

S = 10**9


@pytest.fixture
def made(runs: ModuleType, tmp_path: Path) -> Any:
    return sampled(runs, tmp_path)


def sampled(runs: ModuleType, folder: Path) -> Any:
    """A run in which node-2 was down from 11 s to 17 s, with samples of two members."""
    made = runs.unknown(folder)
    found = [*runs.samples("one", 0, 11), *runs.samples("two", 17, 26, cpu=0.9)]
    runs.write_samples(made.folder, "node-2", found)
    one = Sample(t_ns=runs.at(1), identity="r", cpu=0.05, memory=9_000_000)
    runs.write_samples(made.folder, "redis", [one])
    return made


def section(page: str) -> str:
    return page.partition('<h2 id="members">')[2].partition("</section>")[0]


@pytest.fixture(scope="module")
def shown(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The section of such a run, made once."""
    return section(html.render(load(sampled(runs, tmp_path_factory.mktemp("shown")).folder)))


def test_each_member_has_its_figures_in_exact_words(shown: str) -> None:
    for words in (
        "0.2 to 0.9, last 0.9 cores",
        "50 to 50, last 50 MB",
        "0 to 25, last 25",
        "2 to 2, last 2 kB",
        "<title>CPU of node-2: 0.2 to 0.9, last 0.9 cores</title>",
        "2 incarnations",
        "9 to 9, last 9 MB",
    ):
        assert words in shown, words
    assert shown.count("There are no samples of its CPU") == 2  # node-1 and node-3


def test_the_curve_is_interrupted_where_the_member_was_down_and_where_another_began(
    made: Any, runs: ModuleType
) -> None:
    cpu = sparklines.FIGURES[0]
    points = sparklines.points(load(made.folder).usage_of("node-2").samples, cpu)
    assert [runs.at(18) == t for t, _, anew in points if anew] == [False, True]
    # One that was out of sight for a while, and is the same that it was:
    away = [*runs.samples("one", 0, 4), *runs.samples("one", 9, 12)]
    assert [t for t, _, anew in sparklines.points(away, sparklines.FIGURES[1]) if anew][1:] == [runs.at(9)]
    # Another incarnation without any gap in time:
    close = [*runs.samples("one", 0, 4), *runs.samples("two", 4, 8)]
    assert sum(anew for _, _, anew in sparklines.points(close, sparklines.FIGURES[1])) == 2


def test_a_long_run_has_few_points_and_keeps_its_peaks() -> None:
    points = [(at * S, 9.0 if at == 51_234 else 1.0, at == 0) for at in range(86_400)]
    few = sparklines.thinned(points)
    assert len(few) <= sparklines.POINTS
    assert max(value for _, value, _ in few) == 9.0
    assert sparklines.words(points, "cores") == "1 to 9, last 1 cores"
    assert sparklines.thinned([]) == []
    # One that was paused again and again:
    pieces = [(at * S, 1.0, at % 3 == 0) for at in range(10_000)]
    assert len(sparklines.thinned(pieces)) <= sparklines.POINTS
    assert all(anew for _, _, anew in sparklines.thinned(pieces))


def test_all_members_share_the_scale_of_a_figure(shown: str) -> None:
    redis = shown.partition("<title>CPU of redis")[2].partition("</svg>")[0]
    # 0.05 of 0.9 cores lies near the ground, though it is all that Redis ever used.
    height = float(redis.partition('<path d="M')[2].partition('"')[0].split()[1])
    assert height > sparklines.HEIGHT * 0.85


def test_faults_are_shaded_in_every_curve(shown: str) -> None:
    assert shown.count('<use href="#fault-times" class="shade"/>') == shown.count('class="spark"') > 5
    assert shown.count('id="fault-times"') == 1
    box = shown.partition('<path d="M')[2].partition('" id="fault-times"')[0]
    left, right = (
        float(part.partition(until)[0]) for part, until in ((box, " "), (box.partition("H")[2], "V"))
    )
    # From 11 s to 16.9 s of what the axis shows, -2 s to 27.3 s or so.
    assert 0.4 < left / sparklines.WIDTH < 0.5
    assert 0.6 < right / sparklines.WIDTH < 0.7


def test_the_log_stands_around_the_fault(made: Any, runs: ModuleType) -> None:
    from datetime import timedelta

    began = made.meta.began + timedelta(microseconds=(runs.at(11.5) - made.meta.began_ns) // 1000)
    line = (
        f'{{"ts": "{began.isoformat()}", "level": "warning", "node": "node-1", "event": "peers_changed"}}\n'
    )
    (made.folder.logs / "node-1.log").write_text(line)
    found = section(html.render(load(made.folder)))
    assert "kill node-2 injected" in found
    assert '<li class="warning"><span class="at">11.500 s</span> <b>warning</b> peers_changed</li>' in found


def test_damaged_samples_are_told_and_the_rest_of_the_report_is_there(made: Any) -> None:
    (made.folder.metrics / "node-2.jsonl").write_text("{}\n" * 3)
    found = section(html.render(load(made.folder)))
    assert "node-2.jsonl is damaged, or another version of WordAround made it" in found
    assert "9 to 9, last 9 MB" in found


def test_a_folder_without_metrics_and_logs_has_a_section_that_says_so(
    runs: ModuleType, tmp_path: Path
) -> None:
    made = runs.unknown(tmp_path)
    for path in made.folder.logs.glob("*"):
        path.unlink()
    found = section(html.render(load(made.folder)))
    assert found.count("There are no samples of its CPU") == 4
    assert found.count("Its log is not in the run folder.") == 4


def test_a_plan_s_names_lead_to_no_files_of_elsewhere(made: Any, tmp_path: Path) -> None:
    (made.folder.path.parent / "secret.log").write_text("the secret")
    cluster = replace(made.plan.cluster, nodes=("node-2", "../../secret"))
    write_json(made.folder.plan, replace(made.plan, cluster=cluster))
    run = load(made.folder)
    assert set(run.extracts) <= {"node-2", "redis"}
    assert set(run.usage) == {"node-2", "redis"}


def test_many_members_and_states_are_cut_and_counted(
    made: Any, runs: ModuleType, parse: Callable[[str], Any]
) -> None:
    nodes = tuple(f"node-{number}" for number in range(1, 61))
    run = load(made.folder)
    run = replace(run, plan=replace(run.plan, cluster=replace(run.plan.cluster, nodes=nodes)))
    entry = next(entry for entry in run.members if entry.member == "node-2")
    entries = [replace(entry, t_ns=runs.at(number / 100), identity=f"i{number}") for number in range(500)]
    run = replace(run, members=(*run.members, *entries))
    page = html.render(run)
    parse(page)
    assert "37 more members are left out" in section(page)
    assert "more, in members.jsonl" in section(page)
    assert section(page).count("<tr>") < 200
