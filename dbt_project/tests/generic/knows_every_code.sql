{# Every value of a column is a code of the marts, and none is a provider's unknown code. #}
{% test knows_every_code(model, column, providers, where='true') %}
    {%- set names = [] -%}
    {%- for provider in providers -%}
        {%- do names.extend(codes(provider).values() | select('string')) -%}
    {%- endfor %}
    select distinct {{ column }}
    from {{ model }}
    where {{ where }} and {{ column }} not in ('{{ names | unique | join("', '") }}')
{% endtest %}
