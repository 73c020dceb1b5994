{# What DuckDB and BigQuery say differently. All else is written in what both understand. #}

{# An instant, from ISO 8601 text with an offset. #}
{% macro instant(text) %}{{ return(adapter.dispatch('instant')(text)) }}{% endmacro %}
{% macro duckdb__instant(text) %}timestamptz '{{ text }}'{% endmacro %}
{% macro bigquery__instant(text) %}timestamp '{{ text }}'{% endmacro %}

{# The UTC day of an instant. #}
{% macro utc_day(at) %}{{ return(adapter.dispatch('utc_day')(at)) }}{% endmacro %}
{% macro duckdb__utc_day(at) %}cast({{ at }} as date){% endmacro %}
{% macro bigquery__utc_day(at) %}date({{ at }}){% endmacro %}

{# What the clocks of a zone show at an instant. #}
{% macro wall_clock(at, zone) %}{{ return(adapter.dispatch('wall_clock')(at, zone)) }}{% endmacro %}
{% macro duckdb__wall_clock(at, zone) %}({{ at }} at time zone '{{ zone }}'){% endmacro %}
{% macro bigquery__wall_clock(at, zone) %}datetime({{ at }}, '{{ zone }}'){% endmacro %}

{# An instant at which the clocks of a zone show this; see `from_wall_clock` for which of two. #}
{% macro some_instant(wall, zone) %}{{ return(adapter.dispatch('some_instant')(wall, zone)) }}{% endmacro %}
{% macro duckdb__some_instant(wall, zone) %}({{ wall }} at time zone '{{ zone }}'){% endmacro %}
{% macro bigquery__some_instant(wall, zone) %}timestamp({{ wall }}, '{{ zone }}'){% endmacro %}

{# The start of the quarter-hour that an instant is in. #}
{% macro quarter_hour(at) %}{{ return(adapter.dispatch('quarter_hour')(at)) }}{% endmacro %}
{% macro duckdb__quarter_hour(at) %}time_bucket(interval 15 minute, {{ at }}){% endmacro %}
{% macro bigquery__quarter_hour(at) %}timestamp_sub(timestamp_trunc({{ at }}, minute), interval mod(extract(minute from {{ at }}), 15) minute){% endmacro %}

{# Seconds from one instant to a later one. #}
{% macro seconds_between(start, stop) %}{{ return(adapter.dispatch('seconds_between')(start, stop)) }}{% endmacro %}
{% macro duckdb__seconds_between(start, stop) %}datediff('second', {{ start }}, {{ stop }}){% endmacro %}
{% macro bigquery__seconds_between(start, stop) %}timestamp_diff({{ stop }}, {{ start }}, second){% endmacro %}

{# To be put after a table in `from`: its rows once for each quarter-hour of [start, stop). #}
{% macro each_quarter_hour(start, stop, name) %}{{ return(adapter.dispatch('each_quarter_hour')(start, stop, name)) }}{% endmacro %}
{% macro duckdb__each_quarter_hour(start, stop, name) -%}
    cross join unnest(generate_series({{ start }}, {{ stop }} - interval 1 second, interval 15 minute)) as _quarters({{ name }})
{%- endmacro %}
{% macro bigquery__each_quarter_hour(start, stop, name) -%}
    cross join unnest(generate_timestamp_array({{ start }}, {{ stop }} - interval 1 second, interval 15 minute)) as {{ name }}
{%- endmacro %}

{# The column that says which of two rows of one message came later. #}
{% macro place() %}{{ return(adapter.dispatch('place')()) }}{% endmacro %}
{% macro duckdb__place() %}_place{% endmacro %}
{% macro bigquery__place() %}landing_place{% endmacro %}

{# What tells apart the numbers of a column in a key; BigQuery doesn't group by FLOAT64. #}
{% macro groupable(number) %}{{ return(adapter.dispatch('groupable')(number)) }}{% endmacro %}
{% macro duckdb__groupable(number) %}{{ number }}{% endmacro %}
{% macro bigquery__groupable(number) %}format('%.17g', if({{ number }} = 0.0, 0.0, {{ number }})){% endmacro %}

{# Day of the week of a date or wall-clock time: Monday 1 to Sunday 7. #}
{% macro weekday(day) %}{{ return(adapter.dispatch('weekday')(day)) }}{% endmacro %}
{% macro duckdb__weekday(day) %}isodow({{ day }}){% endmacro %}
{% macro bigquery__weekday(day) %}(mod(extract(dayofweek from {{ day }}) + 5, 7) + 1){% endmacro %}
