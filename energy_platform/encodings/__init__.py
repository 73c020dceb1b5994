"""Encodings that providers' formats share: JSON, XML, SOAP, CSV, workbooks, archives and GRIB.

Bytes to Python values or frames, hardened and pure. `formats` knows what each provider means.
"""
