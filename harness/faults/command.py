"""command: the user's own fault, as programs that inject it, prove that it bit, and heal it.

Each is an argument list, for no shell; exit status 0 means done, proven, healed. It is the one fault that
an attached cluster can have, and works on every backend. `{name}` or `{url}` in one of its words makes it run
for each target in turn; else it runs once, with all targets in its environment.

The harness knows nothing of what was done but what the programs say. So the fault claims nothing: nobody is
taken to be cut off by it. Its targets are whom the judge takes to be hurt; all nodes are a declared outage.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from harness.backends.base import Backend
from harness.errors import HarnessError
from harness.faults.base import Evidence, NotProven, Spec, Undo
from harness.faults.program import Outcome, Programs
from harness.labels import labelled
from harness.placeholders import FAULT_PLACEHOLDERS, OF_A_TARGET, fill, names_in
from harness.records.plan import FaultPlan
from harness.scenario.keys import Duration, FaultKeys, Target, told
from harness.scenario.values import argument

Arguments = tuple[Annotated[str, argument(FAULT_PLACEHOLDERS)], ...]

TIMEOUT_S = 30.0


class CommandKeys(FaultKeys):
    """`heal` and `duration` come together; without them the fault happens once, and nothing is healed."""

    target: Target | None = None  # type: ignore[assignment]  # Alone of all faults it may be about nobody.
    inject: Annotated[Arguments, told("The program that does it, and its arguments.")]
    prove: Annotated[
        Arguments, told("The program that sees that it bit; without its proof the run is unknown.")
    ]
    heal: Annotated[
        Arguments | None,
        told(
            "The program that ends it; without it the fault is over by itself. It must not mind that there "
            "is nothing to end: it is run, too, when `inject` failed half-way."
        ),
    ] = None
    duration: Annotated[
        Duration | None, told("How long after the inject it is healed. Comes with `heal`, and only with it.")
    ] = None
    timeout: Annotated[Duration, told("What each of the programs has; then it is killed.")] = TIMEOUT_S

    @classmethod
    def findings(cls, valid: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Say where a program is missing, half of a heal, or the target of a placeholder."""
        for verb in ("inject", "prove", "heal"):
            words = valid.get(verb)
            if words is None:
                continue
            if not any(words[:1]):
                yield (verb,), f"`{verb}` wants a program and its arguments; the program is missing"
            elif valid.get("target", ...) is None and (of := _of_a_target(words)):
                yield (verb,), f"`{verb}` has the placeholder {{{of}}}, and the fault no `target`"
        heal, duration = valid.get("heal", ...), valid.get("duration", ...)
        if ... not in (heal, duration) and (heal is None) != (duration is None):
            key = "heal" if duration is None else "duration"
            yield (key,), "`heal` and `duration` come together: how it is ended, and when"


class Command:
    """Runs the scenario's programs (see the module)."""

    spec: ClassVar[Spec] = Spec(
        name="command",
        summary="Programs of your own inject it, prove that it bit, and heal it.",
        keys=CommandKeys,
        mechanisms=dict.fromkeys(("process", "docker", "attach"), "the scenario's own programs"),
        of_its_own=True,
    )

    @classmethod
    def available(cls, backend: str) -> str | None:
        """Whether a scenario's programs are there is seen when they are run."""
        return None

    def __init__(self, plan: FaultPlan, backend: Backend) -> None:
        self._plan = plan
        self._backend = backend
        self._programs = Programs()

    def undo(self) -> Undo:
        """Return the heal as it would be run without us; its environment comes with it."""
        ours = tuple(f"{name}={value}" for name, value in self._environment().items())
        commands = tuple(("env", *ours, *command) for command in self._commands("heal").values())
        if not commands:
            return Undo(evidence={"heal": "nothing: the scenario has no command for it"})
        return Undo(evidence={"heal": "the scenario's own command"}, commands=commands)

    def inject(self) -> Evidence:
        """Run the scenario's `inject`.

        Raises:
            HarnessError: it did not end with 0, or not in time.
        """
        return self._run("inject")

    def prove(self) -> Evidence:
        """Run the scenario's `prove`.

        Raises:
            NotProven: it did not end with 0, or not in time.
        """
        try:
            return self._run("prove")
        except HarnessError as error:
            raise NotProven(str(error)) from error

    def heal(self) -> Evidence | None:
        """Run the scenario's `heal`, which must not mind that there is nothing to heal.

        Raises:
            HarnessError: it did not end with 0, or not in time; of several targets, all were tried.
        """
        self._programs.allow()
        outcomes = list(self._outcomes("heal"))
        wrong = [_wrong("heal", outcome) for _, outcome in outcomes if not outcome.well]
        if wrong:
            raise HarnessError("; ".join(wrong))
        return {what: str(outcome) for what, outcome in outcomes} or None

    def cancel(self) -> None:
        """End the program that runs: the run is over. A heal may still come."""
        self._programs.cancel()

    def _run(self, verb: str) -> Evidence:
        evidence: dict[str, str] = {}
        for what, outcome in self._outcomes(verb):
            evidence[what] = str(outcome)
            if not outcome.well:
                raise HarnessError(_wrong(verb, outcome))
        return evidence

    def _outcomes(self, verb: str) -> Iterator[tuple[str, Outcome]]:
        """Run the verb's programs one by one, each when it is asked for.

        What `inject` and `prove` start is the run's, and found by its label when the harness is dead. What
        `heal` starts is not: it may be the very thing that the fault took away.
        """
        environment = {**os.environ, **self._environment()}
        if verb != "heal":
            environment = labelled(environment, self._backend.run_id)
        for what, command in self._commands(verb).items():
            yield what, self._programs.run(command, environment=environment, timeout_s=self._timeout_s)

    @property
    def _timeout_s(self) -> float:
        timeout_s = self._plan.settings.get("timeout")
        return timeout_s if isinstance(timeout_s, float) else TIMEOUT_S

    def _commands(self, verb: str) -> Mapping[str, tuple[str, ...]]:
        """Return the verb's argument lists as they are run, each by what it is called in the evidence."""
        words = self._plan.settings.get(verb)
        if not isinstance(words, tuple) or not words:
            return {}
        if _of_a_target(words) is None:
            return {verb: self._filled(words, "", "")}
        urls = self._urls()
        return {f"{verb} {name}": self._filled(words, name, urls[name]) for name in self._plan.targets}

    def _filled(self, words: tuple[str, ...], name: str, url: str) -> tuple[str, ...]:
        values = {"name": name, "url": url, "run_id": self._backend.run_id}
        return tuple(fill(word, values) for word in words)

    def _environment(self) -> dict[str, str]:
        urls = self._urls()
        return {
            "WORDAROUND_RUN_ID": self._backend.run_id,
            "WORDAROUND_FAULT_ID": self._plan.id,
            "WORDAROUND_TARGETS": " ".join(self._plan.targets),
            "WORDAROUND_TARGET_URLS": " ".join(urls[name] for name in self._plan.targets),
        }

    def _urls(self) -> dict[str, str]:
        return {member.name: member.url or "" for member in self._backend.members()}


def _of_a_target(words: tuple[str, ...]) -> str | None:
    """Return the first placeholder that makes a command run for each target."""
    return next((name for word in words for name in names_in(word) if name in OF_A_TARGET), None)


def _wrong(verb: str, outcome: Outcome) -> str:
    return f"{verb}: {outcome}; exit status 0 is what means that it worked"
