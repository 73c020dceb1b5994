{# No delivery period begins before the one before it has ended. #}
{% test no_overlap(model, by) %}
    select * from (
        select
            *,
            lead(delivery_start) over (partition by {{ by | join(', ') }} order by delivery_start) as next_start
        from {{ model }}
    ) as periods
    where next_start < delivery_end
{% endtest %}
