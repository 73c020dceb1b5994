"""Energy market data: landed raw, checked row by row, as of any instant."""
