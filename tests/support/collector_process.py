"""A collector of some sources, in a process of its own: python collector_process.py SOURCE…"""

import asyncio
import logging
import sys

from energy_platform.ingest.collector import collect
from energy_platform.market.registry import market_source
from energy_platform.settings import settings

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(collect(settings(), [market_source(name) for name in sys.argv[1:]]))
