{# A condition holds for every row; a condition that is null doesn't. #}
{% test holds(model, condition) %}
    select * from {{ model }} where not coalesce({{ condition }}, false)
{% endtest %}
