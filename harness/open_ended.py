"""Plans for `wordaround load`: they end when the user says so, and their bots come and go by the user's hand.

Such a plan is made twice. Before the run it lasts a day, or for `--run-time`, and has the scenario's bots.
After the run it says what it came to: when the load ended, and which bots there were, so that the judge knows
of each what it may expect. Pure, as all of the plan is.
"""

from dataclasses import replace

from harness.records.plan import BotPlan, PhasePlan, Plan
from harness.seeds import seed_of

LONGEST_S = 24 * 60 * 60.0


def open_ended(plan: Plan, *, run_time_s: float | None, with_faults: bool) -> Plan:
    """Return the plan without an end of its own, or with that one; faults only where they are asked for.

    Without them there is no chaos, so the steady phase lasts to the end; with them it is the recovery. Bots
    do not roam, since nobody knows when they must be back for the end; they come and go by hand.
    """
    end_s = LONGEST_S if run_time_s is None else run_time_s
    bots = tuple(replace(bot, roam_every_s=None) for bot in plan.bots)
    if with_faults:
        *before, last = plan.phases
        phases = (*before, replace(last, end_s=max(end_s, last.start_s)))
        return replace(plan, bots=bots, phases=_cut(phases, end_s), steady_state=(), by_hand=True)
    warmup_s = plan.phases[0].end_s
    phases = (plan.phases[0], PhasePlan(name="steady", start_s=warmup_s, end_s=max(end_s, warmup_s)))
    return replace(plan, bots=bots, phases=_cut(phases, end_s), faults=(), steady_state=(), by_hand=True)


def as_it_was(plan: Plan, *, load_s: float, bots: int) -> Plan:
    """Return the plan with the end that the load had, and with the first `bots` of its bots."""
    return replace(with_bots(plan, bots), phases=_cut(plan.phases, round(load_s, 6)))


def with_bots(plan: Plan, bots: int) -> Plan:
    """Return the plan with so many bots: the first of its own, and those beyond them."""
    return replace(plan, bots=tuple(nth_bot(plan.bots, ordinal) for ordinal in range(1, bots + 1)))


def nth_bot(bots: tuple[BotPlan, ...], ordinal: int) -> BotPlan:
    """Return the plan's bot, or one beyond them: like the one in its place of the row, by its own name."""
    if ordinal <= len(bots):
        return bots[ordinal - 1]
    pattern = bots[(ordinal - 1) % len(bots)]
    return replace(
        pattern,
        ordinal=ordinal,
        name=f"bot-{ordinal:0{_digits(pattern)}}",
        seed=seed_of(f"{pattern.seed}:{ordinal}"),
    )


def _digits(bot: BotPlan) -> int:
    """Return how many digits a bot's name has: a foreign plan may call them anything."""
    return min(max(1, len(bot.name) - len("bot-")), 20)


def _cut(phases: tuple[PhasePlan, ...], end_s: float) -> tuple[PhasePlan, ...]:
    """Return the phases that had begun by then; the last one ends there."""
    first, *others = phases
    begun = [first, *(phase for phase in others if phase.start_s < end_s)]
    return (*begun[:-1], replace(begun[-1], end_s=end_s))
