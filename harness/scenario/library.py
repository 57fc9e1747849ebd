"""Where scenarios come from: a file, or the name of one that ships with WordAround."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from harness.backends.loopback import why_refused
from harness.errors import BackendUnavailable, UsageError
from harness.faults.availability import alternatives, lacking
from harness.scenario.model import Scenario
from harness.scenario.parse import ScenarioError, all_located, located, parse
from harness.scenario.source import Path as Place
from harness.scenario.values import did_you_mean

_ENDINGS = (".yaml", ".yml")
_REGRESSIONS = "regressions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A scenario, the text that it was read from, and the argument that named it."""

    argument: str
    text: str
    scenario: Scenario


def load(argument: str) -> Source:
    """Read the scenario that an argument names: an existing file, else a shipped one by its bare name.

    Raises:
        UsageError: there is neither, or it cannot be read; names what ships.
        ScenarioError: it is wrong; lists all its mistakes.
    """
    path = Path(argument)
    if path.is_file():
        text = _text(path, argument)
    elif argument in (known := _shipped_files()):
        text = _text(known[argument], argument)
    else:
        raise UsageError(_nothing_there(path, argument, tuple(known)))
    return Source(argument=argument, text=text, scenario=parse(text, label=argument))


def check_backend(source: Source, backend: str) -> None:
    """Refuse a scenario that the backend cannot run.

    Raises:
        ScenarioError: says what in it asks for another backend.
    """
    attached = source.scenario.cluster.attach is not None
    if attached and backend not in ("auto", "attach"):
        sentence = (
            f"`attach` uses nodes that run already, and `--backend {backend}` starts its own; leave it out"
        )
        raise located(source.text, source.argument, ("cluster", "attach"), sentence)
    if backend == "attach" and not attached:
        sentence = (
            "`--backend attach` wants the URLs of the nodes that run already: `cluster: {attach: [...]}`"
        )
        path = ("cluster",) if "cluster" in source.scenario.model_fields_set else ()
        raise located(source.text, source.argument, path, sentence)
    if source.scenario.cluster.command is not None and backend == "docker":
        sentence = "`command` starts processes of this machine, not containers; use `--backend process`"
        raise located(source.text, source.argument, ("cluster", "command"), sentence)


def check_targets(source: Source, allowed: Collection[str]) -> ScenarioError | None:
    """Return what is wrong with the nodes that the scenario attaches to: all that are not this machine.

    Names are looked up. `allowed` are the hosts that may be attached to all the same.
    """
    found: list[tuple[Place, str]] = [
        (("cluster", "attach", index), why)
        for index, url in enumerate(source.scenario.cluster.attach or ())
        if (why := why_refused(url, allowed)) is not None
    ]
    return all_located(source.text, source.argument, found) if found else None


def refuse_remote(sources: Iterable[Source], allowed: Collection[str]) -> None:
    """Refuse to attach to anything that is not this machine and was not allowed by its name.

    Raises:
        UsageError: names every such target of all the scenarios.
    """
    problems = [str(error) for source in sources if (error := check_targets(source, allowed)) is not None]
    if problems:
        raise UsageError("\n".join(problems))


def check_faults(source: Source, backend: str) -> None:
    """Refuse a scenario with a fault that the backend, or this machine, cannot have. Tries each out.

    Raises:
        ScenarioError: the backend has no way to do it; says which has.
        BackendUnavailable: this machine lacks something for it; says what.
    """
    missing = lacking((fault.fault for fault in source.scenario.faults), backend)
    for index, fault in enumerate(source.scenario.faults):
        if (able := missing.get(fault.fault)) is None:
            continue
        sentence = (
            f"the fault `{fault.fault}` cannot be had with `--backend {backend}`: {able.missing}"
            f"{alternatives(fault.fault, backend)}"
        )
        error = located(source.text, source.argument, ("faults", index, "fault"), sentence)
        if able.mechanism is None:
            raise error
        raise BackendUnavailable(str(error))


def shipped() -> dict[str, str]:
    """Return the names and descriptions of the scenarios that ship, in the order of their names."""
    return {name: parse(_text(file, name), label=name).description for name, file in _shipped_files().items()}


def shipped_names() -> tuple[str, ...]:
    """Return the names of the scenarios that ship, sorted, without reading one."""
    return tuple(_shipped_files())


def _shipped_files() -> dict[str, Traversable]:
    root = files("scenarios")
    found = dict(_yaml_files(root, ""))
    regressions = root / _REGRESSIONS
    if regressions.is_dir():
        found.update(_yaml_files(regressions, f"{_REGRESSIONS}/"))
    return dict(sorted(found.items()))


def _yaml_files(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for file in folder.iterdir():
        if file.name.endswith(_ENDINGS):
            yield prefix + file.name.rpartition(".")[0], file


def _text(file: Traversable, label: str) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{label} is no UTF-8 text: see byte {error.start}") from error
    except OSError as error:
        raise UsageError(f"{label} cannot be read: {error.strerror}") from error


def _nothing_there(path: Path, argument: str, known: tuple[str, ...]) -> str:
    if path.is_dir():
        what = f"{argument} is a folder, not a scenario"
    elif argument.endswith(_ENDINGS):
        what = f"there is no file {argument}{did_you_mean(path.stem, known)}"
    else:
        hint = did_you_mean(argument, known)
        what = f"there is neither a file nor a shipped scenario called {argument!r}{hint}"
    return f"{what}\n  shipped scenarios: {', '.join(known)}"
