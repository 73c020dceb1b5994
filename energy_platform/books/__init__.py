"""Continuous markets, followed row by row: the orders that stand, and the trades that count.

Pure: rows of the order book's and the trades' tables in, books and bars out. Any process that gets
the rows, from a landing log, the live bus or a store, keeps the same books with it. What a message
means is in `formats`; who follows the rows, and for whom, is decided elsewhere.
"""

from energy_platform.books.standing import StandingBooks, rows_that_count
from energy_platform.books.tape import TradeTape, bars

__all__ = ["StandingBooks", "TradeTape", "bars", "rows_that_count"]
