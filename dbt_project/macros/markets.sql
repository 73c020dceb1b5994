{# What several models know of the markets. #}

{# The rows of a relation once for each quarter-hour of their delivery period, `period_start` beside
   the quarter-hour's own `delivery_start`. Where periods of several lengths hold, the shortest does. #}
{% macro by_quarter_hour(relation, key, values, condition='true') %}
    {%- set rows %}(
        select
            {% for name in key %}{{ name }}, {% endfor -%}
            quarter_start as delivery_start,
            {% for value in values %}{{ value }}, {% endfor -%}
            received_at
        from (
            select *, delivery_start as period_start
            from {{ relation }} as whole
            where {{ in_changed_days('delivery_start', margin=1) }} and {{ condition }}
        ) as periods
        {{ each_quarter_hour('period_start', 'delivery_end', 'quarter_start') }}
        where {{ in_changed_days('quarter_start') }}
        qualify row_number() over (
            partition by {% for name in key %}{{ name }}, {% endfor %}quarter_start
            order by {{ seconds_between('period_start', 'delivery_end') }}, period_start
        ) = 1
    ){% endset -%}
    {{- return(rows) -}}
{% endmacro %}

{# How many days before count as lately: what a zone has reported since then is expected of it. #}
{% macro days_lately() %}{{ return(7) }}{% endmacro %}
