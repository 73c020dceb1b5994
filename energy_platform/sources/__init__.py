"""One module per market source. Copy the one nearest to yours; `docs/add_a_source.md` shows how.

A module here says what a provider sends and what it means. How bytes travel is in
`energy_platform.feeds`; code for a format that several sources share is in
`energy_platform.formats`.
"""
