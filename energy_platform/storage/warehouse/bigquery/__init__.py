"""BigQuery as the warehouse.

`client` reaches the service. `schema` describes tables, `ledger` records where each table stands.
`appends` and `jobs` write rows; `reads` and `history_sql` read them. `warehouse` combines them,
and is the module that the platform opens.
"""
