"""The contract: what a market source is, and the words that every floor above speaks in.

Here belong values and pure functions over sources, rows, units and times. What moves bytes, keeps
rows or reads a provider's format does not.
"""
