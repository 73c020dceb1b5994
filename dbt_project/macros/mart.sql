{# How marts are kept: the days that changed are put in the place of the same days, in one step. #}

{# The days that this run rebuilds of a model, as ISO dates; none where it rebuilds them all, as it
   does unless told which have changed. `energy-platform marts` tells it. #}
{% macro changed_days() %}
    {%- set days = fromjson(env_var('ENERGY_PLATFORM_MART_DAYS', '{}')).get(model.name) if execute -%}
    {%- if not days is iterable or flags.FULL_REFRESH or load_cached_relation(this) is none -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(days) }}
{% endmacro %}

{# True of the event times that this run rebuilds, give or take `margin` days; the bounds prune. #}
{% macro in_changed_days(event_time, margin=0) %}
    {%- set days = changed_days() -%}
    {%- if days is none -%} true
    {%- elif not days -%} false
    {%- else -%}
        {%- set margin = modules.datetime.timedelta(days=margin) -%}
        {%- set day = modules.datetime.timedelta(days=1) -%}
        {%- set first = modules.datetime.date.fromisoformat(days | min) - margin -%}
        {%- set after = modules.datetime.date.fromisoformat(days | max) + margin + day -%}
        {{ event_time }} >= {{ instant(first ~ ' 00:00:00+00:00') }}
        and {{ event_time }} < {{ instant(after ~ ' 00:00:00+00:00') }}
        {%- if not margin %}
        and {{ utc_day(event_time) }} in (
            {%- for each in days %}date '{{ each }}'{{ ', ' if not loop.last }}{% endfor -%}
        )
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{% materialization mart, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set made = make_intermediate_relation(this.incorporate(type='table'), '__made') -%}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        {{ create_table_as(False, made, compiled_code) }}
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {# The commit comes first: the plugin reads through a cursor of its own. #}
    {% do adapter.store_relation('delta', target_relation, [], made | string, 'table', {'days': changed_days()}) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization mart, adapter='bigquery' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set days = changed_days() -%}
    {%- set event_time = model.config.meta.event_time -%}
    {{ run_hooks(pre_hooks) }}
    {% if days is none or existing is none %}
        {% call statement('main') -%}
            create or replace table {{ target_relation }}
            partition by timestamp_trunc({{ event_time }}, day)
            cluster by {{ model.config.meta.key[:4] | join(', ') }}
            as {{ compiled_code }}
        {%- endcall %}
    {% else %}
        {%- set columns = model.columns.keys() | join(', ') -%}
        {% call statement('main') -%}
            merge into {{ target_relation }} as kept
            using ({{ compiled_code }}) as made
            on false
            when not matched by source and {{ in_changed_days('kept.' ~ event_time) }} then delete
            when not matched then insert ({{ columns }}) values ({{ columns }})
        {%- endcall %}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target_relation, model) %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
