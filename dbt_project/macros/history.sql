{# What a source's table says of the past. The same rows as `energy_platform.scan` gives. #}

{# The last revision of each key, of the rows for which `condition` holds, if it is not withdrawn. #}
{% macro latest_revision(source_name, condition='true') %}
    {{- return(_last_of_each_key(source_name, condition)) -}}
{% endmacro %}

{# What was known at a moment `t`: the last revision of each key received by then.

   `t` is an instant ('2026-03-01T11:00:00Z'), a lead time before each event ('1 hour', '90 minutes',
   '-2 days': two days after it), or a daily moment before its local day ('D-1 12:00 Europe/Berlin').
   With `hours_later` the moment is that of an event so many hours after the row's own: what was
   known of yesterday when today's auction closed.
#}
{% macro as_of(source_name, t, condition='true', hours_later=0) %}
    {%- set event_time = contract(source_name).event_time -%}
    {%- if hours_later -%}
        {%- set event_time = '(' ~ event_time ~ ' + interval ' ~ (hours_later * 60) ~ ' minute)' -%}
    {%- endif -%}
    {{- return(_last_of_each_key(source_name, '(' ~ condition ~ ') and received_at <= ' ~ known_by(event_time, t))) -}}
{% endmacro %}

{# The moment by which a row had to be known to count, from its event time. #}
{% macro known_by(event_time, t) %}
    {%- set daily = modules.re.fullmatch('D-([0-9]{1,3}) ([0-9]{2}):([0-9]{2}) ([^ ]+)', t) -%}
    {%- set lead = modules.re.fullmatch('(-?[0-9]+) (minute|hour|day)s?', t) -%}
    {%- if daily -%}
        {%- set days, hours, minutes, zone = daily.groups() -%}
        {%- set day = 'cast(cast(' ~ wall_clock(event_time, zone) ~ ' as date) - ' ~ days ~ ' as datetime)' -%}
        {{- return(from_wall_clock('(' ~ day ~ ' + interval ' ~ (hours | int * 60 + minutes | int) ~ ' minute)', zone)) -}}
    {%- elif lead -%}
        {%- set minutes = lead.group(1) | int * {'minute': 1, 'hour': 60, 'day': 1440}[lead.group(2)] -%}
        {{- return('(' ~ event_time ~ (' - ' if minutes >= 0 else ' + ') ~ 'interval ' ~ minutes | abs ~ ' minute)') -}}
    {%- elif modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})', t) -%}
        {{- return(instant(t | replace('T', ' ') | replace('Z', '+00:00'))) -}}
    {%- else -%}
        {%- do exceptions.raise_compiler_error("as_of takes '2026-03-01T11:00:00Z', '1 hour' or 'D-1 12:00 Europe/Berlin', not '" ~ t ~ "'") -%}
    {%- endif -%}
{% endmacro %}

{# The instant at which the clocks of a zone show this: the first of two, and where the clocks skip
   it, as long after the day before as if they had not been changed. Engines choose otherwise. #}
{% macro from_wall_clock(wall, zone) %}
    {%- set at = some_instant(wall, zone) -%}
    {%- set earlier = '(' ~ at ~ ' - interval 60 minute)' -%}
    {{- return(
        '(case when ' ~ wall_clock(earlier, zone) ~ ' = ' ~ wall ~ ' then ' ~ earlier
        ~ ' when ' ~ wall_clock(at, zone) ~ ' = ' ~ wall ~ ' then ' ~ at
        ~ ' else ' ~ some_instant('(' ~ wall ~ ' - interval 1440 minute)', zone) ~ ' + interval 1440 minute end)'
    ) -}}
{% endmacro %}

{% macro _last_of_each_key(source_name, condition) %}
    {%- set about = contract(source_name) -%}
    {%- set alike = [] -%}
    {%- for name in about.key -%}
        {%- do alike.append(groupable(name) if name in about.floats else name) -%}
    {%- endfor -%}
    {%- set rows %}(
        select *
        from (
            select *
            from {{ source('sources', source_name) }}
            where {{ about.event_time }} >= {{ instant('1800-01-01 00:00:00+00:00') }}
              and {{ condition }}
            qualify row_number() over (
                partition by {{ alike | join(', ') }}
                order by {{ about.latest_first | replace('{place}', place()) }}
            ) = 1
        ) as last_of_each
        where {{ about.listed }}
    ){% endset -%}
    {{- return(rows) -}}
{% endmacro %}
