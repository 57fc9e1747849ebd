"""Samples of metrics: what is written is read, a torn end is left out, and foreign text is no figure."""

from pathlib import Path

import pytest

from harness.records.metrics import NodeFigures, Sample, SampleWriter, read_samples
from harness.sampling import parsed

SAMPLES = (
    Sample(t_ns=1, identity="pid 7 started now", memory=5),
    Sample(t_ns=2, identity="pid 7 started now", cpu=0.25, memory=5, node=NodeFigures(connections=3)),
    Sample(t_ns=3, identity="ünd", cpu=1.5, node=NodeFigures(tail_silent_s=0.5, commits_waiting=1)),
)


def write(folder: Path) -> Path:
    writer = SampleWriter(folder, "node-1")
    for sample in SAMPLES:
        writer.append(sample)
    writer.close()
    return folder / "node-1.jsonl"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_samples(write(tmp_path)) == SAMPLES


def test_a_last_line_that_was_cut_off_is_left_out_wherever_it_was_cut(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    last = whole[:-1].rindex(b"\n") + 1
    for end in range(last, len(whole)):
        path.write_bytes(whole[:end])
        assert read_samples(path) == SAMPLES[:2], whole[last:end]


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"t_ns":"x","identity":""}', "[]"])
def test_another_line_that_is_no_sample_is_an_error(line: str, tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(ValueError, match="Sample"):
        read_samples(path)


def test_figures_are_those_that_we_know_without_labels_and_finite() -> None:
    body = (
        b"# HELP wordaround_connections sessions\nwordaround_connections 3.0\n"
        b'wordaround_tail_position{shard="1"} 9.0\nwordaround_tail_lag NaN\n'
        b"wordaround_buffered_bytes ten\nprocess_resident_memory_bytes 1.5e+07\n\xff\n"
    )
    assert parsed(body) == {"wordaround_connections": 3.0, "process_resident_memory_bytes": 1.5e7}


def test_every_figure_is_one_that_a_node_publishes() -> None:
    from harness.sampling import _FIGURES

    published = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    assert set(_FIGURES) == set(NodeFigures.__dataclass_fields__)
    for name in _FIGURES.values():
        assert f"| `{name}` |" in published
