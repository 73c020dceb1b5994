{# No two rows have the same key. #}
{% test unique_key(model, key) %}
    select {{ key | join(', ') }}, count(*) as occurrences
    from {{ model }}
    group by {{ key | join(', ') }}
    having count(*) > 1
{% endtest %}
