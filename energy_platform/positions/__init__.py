"""Positions of portfolios: how much is open in each quarter-hour, and what it is worth.

Pure: rows of the table `position`, order books and prices in; quarter-hours out. Who may see a
portfolio, and where rows and prices come from, is decided elsewhere.
"""

from energy_platform.positions.open_position import open_position
from energy_platform.positions.valuation import valued

__all__ = ["open_position", "valued"]
