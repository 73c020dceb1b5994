"""How the ČEPS sources ask: one service, one rate, whatever the operation.

`energy_platform.formats.ceps` reads the replies; each source says what to ask for.
"""

from datetime import timedelta
from functools import partial
from typing import Final

from energy_platform.feeds.soap import SoapFeed
from energy_platform.formats.ceps import CEPS, MOST_DAYS, SERVICE, SPELLINGS, WSDL

TERMS: Final = "Unclear: ČEPS publishes the service without terms of use; own use"

ceps_feed = partial(
    SoapFeed,
    provider=CEPS,
    url=SERVICE,
    wsdl=WSDL,
    spellings=SPELLINGS,
    every=timedelta(minutes=1),
    history_chunk=MOST_DAYS,
)
