{# What several models know of the markets. #}

{# The start of delivery that the name of a quarter-hour contract says. #}
{% macro contract_delivery_start(contract_name) %}
    {{- parsed_instant('substr(' ~ contract_name ~ ', 4)', '%Y%m%d-%H%M') -}}
{% endmacro %}
