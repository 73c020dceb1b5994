"""NOAA's Open Data Dissemination: GFS forecast files on S3, announced by SNS.

`provider` publishes them, `gfs_schedule` says which is next, and `gfs_files` what is in one.
"""

from simulator.providers.noaa.provider import PROVIDER

__all__ = ["PROVIDER"]
