"""Marts: tables that dbt makes of the market sources, and that readers meet like any source.

`catalogue` says what marts there are, from the same YAML that dbt reads; `changes` which days of
each are out of date; `dbt_run` runs dbt over these days; `dbt_sources` writes the part of the dbt
project that follows from the market sources; `delta_plugin` is dbt-duckdb's door to Delta tables.
What a mart holds is SQL in `dbt_project/`, and none of it is here.
"""
