"""Energy-Charts on the wire: prices, frequency and public power by REST."""

from simulator.providers.energy_charts.provider import PROVIDER

__all__ = ["PROVIDER"]
