"""Marts: tables that dbt builds from the market sources, read by name like a source.

`catalogue` lists the marts, from the same YAML that dbt reads. `changes` finds the days of each
mart that are out of date, and `dbt_run` runs dbt over these days. `dbt_sources` writes the part of
the dbt project that follows from the market sources. `delta_plugin` lets dbt-duckdb read and write
Delta tables. The marts' SQL is in `dbt_project/`.
"""
