"""How the Elexon sources ask: one service, one rate, one way to refuse.

What replies hold is read in `energy_platform.formats.elexon`; what is asked for is each source's.
"""

from functools import partial

from energy_platform.feeds.rest import RestFeed
from energy_platform.formats.elexon import ELEXON, is_answer

elexon_feed = partial(RestFeed, provider=ELEXON, is_answer=is_answer)
