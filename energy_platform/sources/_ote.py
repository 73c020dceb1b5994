"""How the OTE sources ask: one public service, for the market days up to tomorrow's.

`energy_platform.formats.ote` reads the replies; each source says what to ask for.
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
    history_chunk=timedelta(days=30),  # touches 31 days, the most that the service answers
)
