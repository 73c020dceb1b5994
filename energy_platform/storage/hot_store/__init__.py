"""The hot store: the latest value per series and time, for dashboards.

`protocol` states what a hot store promises; each system that keeps the promises has a module or
package of its own.
"""
