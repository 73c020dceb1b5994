"""The Met Office's open data on Amazon: model files on S3, announced by SNS to an HTTP endpoint.

`provider` publishes them, `schedule` says which and when, `model_files` what is in one.
"""

from simulator.providers.met_office.provider import PROVIDER

__all__ = ["PROVIDER"]
