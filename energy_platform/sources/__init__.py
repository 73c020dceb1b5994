"""One module per market source. Copy the one nearest to yours; `docs/add_a_source.md` shows how.

A module here defines what a provider sends and what it means. `energy_platform.feeds` carries the
bytes; `energy_platform.formats` has the code for formats that several sources share.
"""
