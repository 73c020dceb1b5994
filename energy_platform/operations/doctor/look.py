"""Runs every check; one that fails itself is a finding, and the others go on."""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from energy_platform.errors import UsageError
from energy_platform.operations.doctor import (
    configuration,
    home_folder,
    installation,
    machine,
    services,
)
from energy_platform.operations.doctor.finding import Check, Finding, Patient, Weight, note, wrong
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.settings import current_settings

CHECKS: Final[Sequence[Check]] = (
    configuration.unknown_variables,
    configuration.unused_settings,
    configuration.missing_variables,
    configuration.missing_certificates,
    configuration.nobody_let_in,
    configuration.nobody_told,
    installation.packages,
    installation.time_zones,
    home_folder.use,
    home_folder.privacy,
    home_folder.mixed_markets,
    home_folder.left_processes,
    home_folder.no_databases,
    home_folder.set_aside,
    home_folder.strange_files,
    machine.disks,
    machine.inodes,
    machine.descriptors,
    machine.ports,
    machine.clock,
    services.processes,
    services.state_database,
    services.live_bus,
    services.influxdb,
    services.google,
)


def look() -> list[Finding]:
    """Return what is wrong with this environment and its home, what matters most first."""
    try:
        chosen = current_settings()
    except UsageError as error:
        return [wrong(str(error), "correct or unset the variable, then ask the doctor again")]
    patient = Patient(
        settings=chosen,
        environment=dict(os.environ),
        is_running=Supervisor(chosen.home).pid() is not None,
    )
    found = [finding for check in CHECKS for finding in _findings(check, patient)]
    return sorted(found, key=lambda one: list(Weight).index(one.weight))


def _findings(check: Check, patient: Patient) -> Iterator[Finding]:
    try:
        yield from check(patient)
    except Exception as error:  # noqa: BLE001 (the other checks are still of use)
        yield note(
            f"the check {check.__name__} did not work: {type(error).__name__}: {error}",
            "see whether another finding explains it; else report it",
        )
