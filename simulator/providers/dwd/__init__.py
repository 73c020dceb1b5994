"""DWD's open data server, simulated: station observations and point forecasts by FTP.

`provider` is the server, `wind` writes the ten-minute observations, `mosmix` the forecasts.
"""

from simulator.providers.dwd.provider import PROVIDER

__all__ = ["PROVIDER"]
