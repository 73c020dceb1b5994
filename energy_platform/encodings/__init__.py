"""What providers' formats share: JSON, XML, SOAP, CSV, workbooks, archives and GRIB.

Bytes to Python values or frames, hardened and pure. What one provider means by them is in
`formats`.
"""
