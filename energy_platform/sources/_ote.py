"""How the OTE sources ask: one public service, for the market days up to tomorrow's.

What replies hold is read in `energy_platform.formats.ote`; what is asked for is each source's.
"""

from datetime import timedelta
from functools import partial

from energy_platform.feeds.soap import SoapFeed
from energy_platform.formats.ote import OTE, SERVICE

ote_feed = partial(
    SoapFeed,
    provider=OTE,
    url=SERVICE,
    wsdl=f"{SERVICE}?wsdl",
    span=timedelta(days=7),
    ahead=timedelta(days=1),
    history_chunk=timedelta(days=30),  # touches 31 days, the most that are answered
)
