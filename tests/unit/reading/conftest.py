"""The emulator that these tests read from."""

from tests.support.bigquery_fixtures import clients, emulator

__all__ = ["clients", "emulator"]
