"""AWS SNS, both ways in which a topic delivers.

`queue` is the feed of topics that announce files through an SQS queue (`sqs`): it reads what an
event says (`envelope`), fetches the file from its public bucket (`bucket_files`, `s3_bucket`; of a
GRIB file only the wanted messages, `grib_index` and `grib_ranges`), and remembers it
(`fingerprints`).

`endpoint` is the feed of topics that push: a small HTTP server, which lands what Amazon signed
(`signature`), notes what it announces (`ledger`) and fetches it (`announced_files`).
"""
