"""BigQuery as the warehouse.

`client` is the way to the service, `schema` what a table looks like there, `ledger` where a table
stands, `appends` and `loads` the two ways in, `reads` and `history_sql` the way out; `warehouse`
puts them together and is what the platform opens.
"""
