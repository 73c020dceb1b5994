"""The contract: what a market source is, in the terms that every package above uses.

Values and pure functions over sources, rows, units and times belong here. Code that moves bytes,
stores rows or reads a provider's format does not.
"""
