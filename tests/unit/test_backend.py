"""The protocol of the stack's backends: both answer the same questions, each of its own lab."""

import pytest

from lab.foundation.errors import LabError
from lab.foundation.outcome import Outcome
from lab.foundation.paths import Paths
from lab.stack import mode
from lab.stack.backend import Mode
from lab.stack.native import logs
from lab.stack.status import ComponentStatus, State
from tests.fix_machine import Machine


def test_the_running_backend_answers_for_its_lab(machine: Machine) -> None:
    """The native one has the store's file; the one of containers has not."""
    assert mode.current(machine.settings).mode is Mode.NATIVE
    with pytest.raises(LabError, match="The lab is down"):
        mode.require_running(machine.settings)
    machine.runs_containers()
    found = mode.require_running(machine.settings)
    assert (found.mode, found.has_store) == (Mode.DOCKER, False)
    assert mode.backend(Mode.NATIVE, machine.settings).has_store


def test_settings_of_containers_have_the_token_of_the_console_and_the_address_of_grafana(
    machine: Machine,
) -> None:
    """Commands that call the console, and links to Grafana, need no reader of their own."""
    machine.has_console(8188, "secret-of-the-console", grafana=3101)
    found = mode.running_settings(machine.settings)
    assert found.lab_console_token
    assert found.lab_console_token.get_secret_value() == "secret-of-the-console"
    assert found.console_port == 8188
    assert found.grafana_url == "http://127.0.0.1:3101"


def test_no_earlier_line_is_shown_when_none_is_requested(machine: Machine) -> None:
    """`up --foreground` shows new lines only, natively as in containers."""
    file = Paths.of(machine.settings).log("risk")
    file.parent.mkdir(parents=True)
    file.write_text("first\nsecond\n")
    assert logs.tail(file, 0) == []
    native = mode.backend(Mode.NATIVE, machine.settings)
    assert list(native.logs("risk", follow=False, tail=0)) == []
    assert [line.text for line in native.logs("risk", follow=False, tail=1)] == ["second"]
    assert {line.component for line in native.logs(None, follow=False, tail=1)} == {"risk"}


@pytest.mark.parametrize("state", State)
def test_each_state_of_a_component_has_a_reason_and_a_next_step(state: State) -> None:
    """Only a component in the requested state is ok; an unknown one is not."""
    one = ComponentStatus(name="risk", state=state, version=None, address="http://a", pid=None)
    health = one.health
    assert health.outcome.ok is {State.RUNNING: True, State.OFF: True, State.UNKNOWN: None}.get(
        state, False
    )
    assert bool(health.reason) == bool(health.next_step) == (health.outcome is not Outcome.OK)
