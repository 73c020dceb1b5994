"""The hot store: the latest value per series and time, for dashboards.

`protocol` has the promises, one further module each of the systems that keep them.
"""
