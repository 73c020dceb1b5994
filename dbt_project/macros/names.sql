{# Where BigQuery's models are: marts under the name by which the platform's warehouse reads them. #}
{% macro bigquery__generate_alias_name(custom_alias_name=none, node=none) -%}
    {{- 'marts__' ~ node.name if 'marts' in node.fqn else node.name -}}
{%- endmacro %}
