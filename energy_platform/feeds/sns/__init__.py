"""AWS SNS, both ways in which a topic delivers.

`queue` is the feed of topics that announce files through an SQS queue (`sqs`): it reads the event
(`envelope`), fetches the file from its public bucket (`bucket_files`, `s3_bucket`; of a GRIB file
only the wanted messages, `grib_index` and `grib_ranges`), and remembers it (`fingerprints`).

`endpoint` is the feed of topics that push: a small HTTP server, which lands messages that Amazon
signed (`signature`), records the announced files (`ledger`) and fetches them (`announced_files`).
"""
