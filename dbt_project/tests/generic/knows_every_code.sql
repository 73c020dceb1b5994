{# Every value of a column is one of ours: none is a provider's code that no one has named yet. #}
{% test knows_every_code(model, column, providers, where='true') %}
    {%- set names = [] -%}
    {%- for provider in providers -%}
        {%- do names.extend(codes(provider).values() | select('string')) -%}
    {%- endfor %}
    select distinct {{ column }}
    from {{ model }}
    where {{ where }} and {{ column }} not in ('{{ names | unique | join("', '") }}')
{% endtest %}
