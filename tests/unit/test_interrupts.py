"""Ctrl-C and SIGTERM: the first ends the work, none cuts the cleaning up short."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.interrupts import Interrupts, undisturbed

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _pytests_own_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_raises(number: signal.Signals) -> None:
    with Interrupts(lambda text: None), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_a_second_signal_only_says_that_it_is_cleaning_up() -> None:
    said: list[str] = []
    with Interrupts(said.append):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert len(said) == 1
    assert "cleaning up" in said[0]


GIVES_UP = """
import os, signal
from harness.interrupts import Interrupts

def leave():
    return "7 things remain"

with Interrupts(lambda text: print(text, flush=True)) as interrupts:
    with interrupts.shield(), interrupts.giving_up(leave):
        try:
            with interrupts.exposed():
                os.kill(os.getpid(), signal.SIGINT)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                print("cleaning up", flush=True)
                os.kill(os.getpid(), number)
            print("not reached")
"""


def test_the_second_warns_of_the_third_and_the_third_says_what_remains_and_ends_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", GIVES_UP], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    told, first, warning, again, last = done.stdout.splitlines()
    assert "Stopping" in told
    assert (first, again, last) == ("cleaning up", "cleaning up", "7 things remain")
    assert "still cleaning up" in warning
    assert "left to the watchdog" in warning


def test_without_somebody_to_leave_it_to_nobody_gives_up() -> None:
    said: list[str] = []
    with Interrupts(said.append):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
    assert len(said) == 3
    assert not any("watchdog" in text for text in said)


def test_a_signal_in_a_shield_is_raised_after_the_block() -> None:
    finished: list[bool] = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.shield():
            os.kill(os.getpid(), signal.SIGTERM)
            finished.append(True)

    with Interrupts(lambda text: None) as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert finished


def test_a_shield_without_a_signal_changes_nothing() -> None:
    with Interrupts(lambda text: None) as interrupts:
        with interrupts.shield():
            pass
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_an_exposed_block_in_a_shield_is_interrupted_once() -> None:
    steps: list[str] = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.shield():
            try:
                with interrupts.exposed():
                    os.kill(os.getpid(), signal.SIGINT)
                    steps.append("not reached")
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                steps.append("cleaned up")

    with Interrupts(lambda text: None) as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert steps == ["cleaned up"]


def test_a_signal_before_the_exposed_block_is_raised_inside_its_try() -> None:
    cleaned: list[bool] = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.shield():
            os.kill(os.getpid(), signal.SIGINT)
            try:
                with interrupts.exposed():
                    raise AssertionError("the signal was forgotten")
            finally:
                cleaned.append(True)

    with Interrupts(lambda text: None) as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert cleaned == [True]


def test_what_was_asked_is_known_when_an_error_hides_the_interrupt() -> None:
    def work(interrupts: Interrupts) -> None:
        with interrupts.shield():
            os.kill(os.getpid(), signal.SIGINT)
            raise OSError("the cleaning up failed")

    with Interrupts(lambda text: None) as interrupts:
        assert not interrupts.asked
        with pytest.raises(OSError, match="failed"):
            work(interrupts)
        assert interrupts.asked


def _like_pydantic() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        words = f"SchemaError: {error!r}"
    raise RuntimeError(words)


def test_an_interrupt_that_a_library_made_an_error_of_is_one_still() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts(lambda text: None):
        _like_pydantic()


def test_an_interrupt_in_disguise_in_an_exposed_block_is_cleaned_up_after_as_one() -> None:
    seen: list[str] = []

    def work(interrupts: Interrupts) -> None:
        with interrupts.shield():
            try:
                with interrupts.exposed():
                    _like_pydantic()
            except BaseException as error:
                seen.append(type(error).__name__)
                raise

    with pytest.raises(KeyboardInterrupt), Interrupts(lambda text: None) as interrupts:
        work(interrupts)
    assert seen == ["KeyboardInterrupt"]


def test_an_error_without_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), Interrupts(lambda text: None):
        raise ZeroDivisionError


def test_undisturbed_work_is_done_to_its_end() -> None:
    assert undisturbed(lambda left, right: left + right, 1, right=2) == 3


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with Interrupts(lambda text: None):
        pass
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_after_an_interrupted_run_was_cleaned_up_does_not_change_how_the_process_ends() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts(lambda text: None):
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)  # Raises in here, where it is not ignored.


def test_without_an_interruption_the_handlers_of_before_are_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts(lambda text: None):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
