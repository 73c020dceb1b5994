{# Every local day between the first and the last has all its quarter-hours: 92, 96 or 100. #}
{% test complete_days(model, zone, by=[], where='true') %}
    with days as (
        select
            {% for name in by %}{{ name }}, {% endfor -%}
            cast({{ wall_clock('delivery_start', zone) }} as date) as local_day,
            count(distinct delivery_start) as quarter_hours
        from {{ model }}
        where {{ where }}
        group by {% for name in by %}{{ name }}, {% endfor %}cast({{ wall_clock('delivery_start', zone) }} as date)
    ),

    expected as (
        select
            *,
            {{ seconds_between(
                from_wall_clock('cast(local_day as datetime)', zone),
                from_wall_clock('cast(local_day + 1 as datetime)', zone)
            ) }} / 900 as quarter_hours_of_day,
            min(local_day) over ({% if by %}partition by {{ by | join(', ') }}{% endif %}) as first_day,
            max(local_day) over ({% if by %}partition by {{ by | join(', ') }}{% endif %}) as last_day
        from days
    )

    select * from expected
    where quarter_hours != quarter_hours_of_day and local_day > first_day and local_day < last_day
{% endtest %}
