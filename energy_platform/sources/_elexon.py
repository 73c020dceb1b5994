"""How the Elexon sources ask: one service, one rate, one way to refuse.

`energy_platform.formats.elexon` reads the replies; each source says what to ask for.
"""

from functools import partial

from energy_platform.feeds.rest import RestFeed
from energy_platform.formats.elexon import ELEXON, is_answer

elexon_feed = partial(RestFeed, provider=ELEXON, is_answer=is_answer)
