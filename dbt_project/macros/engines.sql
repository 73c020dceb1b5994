{# Expressions that differ between DuckDB and BigQuery. Everything else is SQL that both understand. #}

{# An instant, from ISO 8601 text with an offset. #}
{% macro instant(text) %}{{ return(adapter.dispatch('instant')(text)) }}{% endmacro %}
{% macro duckdb__instant(text) %}timestamptz '{{ text }}'{% endmacro %}
{% macro bigquery__instant(text) %}timestamp '{{ text }}'{% endmacro %}

{# The UTC day of an instant. #}
{% macro utc_day(at) %}{{ return(adapter.dispatch('utc_day')(at)) }}{% endmacro %}
{% macro duckdb__utc_day(at) %}cast({{ at }} as date){% endmacro %}
{% macro bigquery__utc_day(at) %}date({{ at }}){% endmacro %}

{# The wall-clock time of a zone at an instant. #}
{% macro wall_clock(at, zone) %}{{ return(adapter.dispatch('wall_clock')(at, zone)) }}{% endmacro %}
{% macro duckdb__wall_clock(at, zone) %}({{ at }} at time zone '{{ zone }}'){% endmacro %}
{% macro bigquery__wall_clock(at, zone) %}datetime({{ at }}, '{{ zone }}'){% endmacro %}

{# An instant with this wall-clock time in a zone; `from_wall_clock` decides between two. #}
{% macro some_instant(wall, zone) %}{{ return(adapter.dispatch('some_instant')(wall, zone)) }}{% endmacro %}
{% macro duckdb__some_instant(wall, zone) %}({{ wall }} at time zone '{{ zone }}'){% endmacro %}
{% macro bigquery__some_instant(wall, zone) %}timestamp({{ wall }}, '{{ zone }}'){% endmacro %}

{# The start of the quarter-hour of an instant. #}
{% macro quarter_hour(at) %}{{ return(adapter.dispatch('quarter_hour')(at)) }}{% endmacro %}
{% macro duckdb__quarter_hour(at) %}time_bucket(interval 15 minute, {{ at }}){% endmacro %}
{% macro bigquery__quarter_hour(at) %}timestamp_sub(timestamp_trunc({{ at }}, minute), interval mod(extract(minute from {{ at }}), 15) minute){% endmacro %}

{# The instant (UTC) of a text in a given form; null if the text has another form. #}
{% macro parsed_instant(text, form) %}{{ return(adapter.dispatch('parsed_instant')(text, form)) }}{% endmacro %}
{% macro duckdb__parsed_instant(text, form) %}(try_strptime({{ text }}, '{{ form }}') at time zone 'UTC'){% endmacro %}
{% macro bigquery__parsed_instant(text, form) %}safe.parse_timestamp('{{ form }}', {{ text }}){% endmacro %}

{# Seconds from one instant to a later one. #}
{% macro seconds_between(start, stop) %}{{ return(adapter.dispatch('seconds_between')(start, stop)) }}{% endmacro %}
{% macro duckdb__seconds_between(start, stop) %}datediff('second', {{ start }}, {{ stop }}){% endmacro %}
{% macro bigquery__seconds_between(start, stop) %}timestamp_diff({{ stop }}, {{ start }}, second){% endmacro %}

{# A join to put after a table in `from`: it repeats the rows for each quarter-hour of [start, stop). #}
{% macro each_quarter_hour(start, stop, name) %}{{ return(adapter.dispatch('each_quarter_hour')(start, stop, name)) }}{% endmacro %}
{% macro duckdb__each_quarter_hour(start, stop, name) -%}
    cross join unnest(generate_series({{ start }}, {{ stop }} - interval 1 second, interval 15 minute)) as _quarters({{ name }})
{%- endmacro %}
{% macro bigquery__each_quarter_hour(start, stop, name) -%}
    cross join unnest(generate_timestamp_array({{ start }}, {{ stop }} - interval 1 second, interval 15 minute)) as {{ name }}
{%- endmacro %}

{# The column that orders the rows of one message. #}
{% macro place() %}{{ return(adapter.dispatch('place')()) }}{% endmacro %}
{% macro duckdb__place() %}_place{% endmacro %}
{% macro bigquery__place() %}landing_place{% endmacro %}

{# An expression by which numbers can be grouped; BigQuery can't group by FLOAT64. #}
{% macro groupable(number) %}{{ return(adapter.dispatch('groupable')(number)) }}{% endmacro %}
{% macro duckdb__groupable(number) %}{{ number }}{% endmacro %}
{% macro bigquery__groupable(number) %}format('%.17g', if({{ number }} = 0.0, 0.0, {{ number }})){% endmacro %}

{# The day of the week of a date or wall-clock time: Monday 1 to Sunday 7. #}
{% macro weekday(day) %}{{ return(adapter.dispatch('weekday')(day)) }}{% endmacro %}
{% macro duckdb__weekday(day) %}isodow({{ day }}){% endmacro %}
{% macro bigquery__weekday(day) %}(mod(extract(dayofweek from {{ day }}) + 5, 7) + 1){% endmacro %}
