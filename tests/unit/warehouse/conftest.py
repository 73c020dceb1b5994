"""The emulator that these tests share."""

from tests.support.bigquery_fixtures import clients, emulator

__all__ = ["clients", "emulator"]
