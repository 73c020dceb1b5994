"""Formats that several market sources share: bytes to columns, pure, one module per format.

What only one source needs stays in that source's module.
"""
