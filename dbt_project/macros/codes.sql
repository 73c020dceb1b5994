{# What providers call zones and countries, and what the marts call them: one code for each.

   A code that is not here keeps its own name and is told by the test `knows_every_code`; one that is
   here with none is known to be neither. #}

{% macro codes(provider) %}
    {%- set known = {
        'gme_zone': {
            'NORD': 'IT-North', 'CNOR': 'IT-Centre-North', 'CSUD': 'IT-Centre-South', 'SUD': 'IT-South',
            'CALA': 'IT-Calabria', 'SICI': 'IT-Sicily', 'SARD': 'IT-Sardinia', 'PUN': 'IT-PUN',
        },
        'jao_hub': {'DE': 'DE-LU'},
        'agsi_country': {'GB*': 'GB'},
        'entsog_country': {'UK': 'GB', 'EL': 'GR'},
    } -%}
    {%- set themselves = {
        'jao_hub': 'ALBE ALDE AT BE CZ FR HR HU NL PL RO SI SK',
        'agsi_country': 'AT BE BG CZ DE DK ES EU FR GB HR HU IE IT LT LV NE NL PL PT RO RS SE SK UA',
        'entsog_country': 'AL AT BA BE BG BY CH CZ DE DK EE ES FI FR GB GR HR HU IE IT LT LU LV MD ME MK MT NL NO PL PT RO RS RU SE SI SK TR UA',
    } -%}
    {# GME's prices of virtual zones, of neighbours and of limited poles of production. #}
    {%- set others = {
        'gme_zone': 'AUST BRNN BSP COAC CORS COUP FOGN FRAN GREC MALT MFTV MONT NAT PRGP ROSN SLOV SVIZ XAUS XFRA XGRE XSVI',
    } -%}
    {%- set found = {} -%}
    {%- for code in themselves.get(provider, '').split() -%}{%- do found.update({code: code}) -%}{%- endfor -%}
    {%- for code in others.get(provider, '').split() -%}{%- do found.update({code: none}) -%}{%- endfor -%}
    {%- do found.update(known[provider]) -%}
    {{- return(found) -}}
{% endmacro %}

{# What the marts call what a provider's code means; null for what is neither, itself if unknown. #}
{% macro named(provider, code) -%}
    case {{ code }}
        {%- for name, ours in codes(provider).items() if name != ours %} when '{{ name }}' then {{ "'" ~ ours ~ "'" if ours else 'null' }}{% endfor %}
        else {{ code }}
    end
{%- endmacro %}
