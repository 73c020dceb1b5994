"""Formats that several market sources share: bytes to columns, pure, one module per format.

Code for a single source belongs in that source's module.
"""
