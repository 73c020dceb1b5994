{# The names of BigQuery's models: a mart has the name under which the platform's warehouse reads it. #}
{% macro bigquery__generate_alias_name(custom_alias_name=none, node=none) -%}
    {{- 'marts__' ~ node.name if 'marts' in node.fqn else node.name -}}
{%- endmacro %}
