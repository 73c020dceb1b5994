"""Alert rules for Grafana's users: late sources, quarantine, processes that are down.

The rules query the same metrics as the platform's dashboard. The platform also alerts by itself,
with fewer false alarms, because it knows each source's quiet hours and reports an incident once.
These rules also fire when the whole platform is down.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from grafana_foundation_sdk.builders import alerting, expr
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.alerting import RelativeTimeRange, Rule
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from energy_platform.grafana.influxql import DATA_SOURCE_UID, InfluxQuery
from energy_platform.grafana.platform_dashboard import newest
from energy_platform.settings import Settings

GROUP: Final = "energy-platform"
_EXPRESSION: Final = DataSourceRef(type_val="__expr__", uid="__expr__")
_LOOK_BACK_SECONDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """Fires if the newest value of a metric is beyond a bound for some time.

    Attributes:
        bound: The rule fires above it, or below it if `below` is set.
        silent_is: The rule's state if nothing is measured at all.
    """

    uid: str
    title: str
    metric: str
    tag: str
    bound: float
    lasts: str
    summary: str
    severity: str
    below: bool = False
    silent_is: Literal["OK", "Alerting"] = "OK"


def _rules() -> Iterable[_Rule]:
    refused = Settings.model_fields["alert_quarantine_percent"].default / 100
    yield _Rule(
        uid="energy-platform-source-late",
        title="A source is late",
        metric="energy_platform_source_late",
        tag="source",
        bound=0.5,
        lasts="2m",
        summary="{{ $labels.source }} is late; `energy-platform status` says since when.",
        severity="warning",
    )
    yield _Rule(
        uid="energy-platform-source-quarantine",
        title="Much of a source is in quarantine",
        metric="energy_platform_source_quarantine_ratio",
        tag="source",
        bound=refused,
        lasts="5m",
        summary="`energy-platform quarantine {{ $labels.source }}` says what was refused, and why.",
        severity="warning",
    )
    yield _Rule(
        uid="energy-platform-source-drift",
        title="A source's layout has drifted",
        metric="energy_platform_source_drifted",
        tag="source",
        bound=0.5,
        lasts="1m",
        summary="`energy-platform layout {{ $labels.source }}` names the difference.",
        severity="warning",
    )
    yield _Rule(
        uid="energy-platform-process-down",
        title="A process is down",
        metric="energy_platform_process_up",
        tag="process",
        bound=0.5,
        below=True,
        lasts="1m",
        summary="{{ $labels.process }} does not run, or nothing is measured at all.",
        severity="critical",
        silent_is="Alerting",
    )


def alert_rules(folder: str) -> dict[str, Any]:
    """Return the rules in the form of Grafana's provisioning, in one group of a folder."""
    rules = [_built(rule) for rule in _rules()]
    group = {"orgId": 1, "name": GROUP, "folder": folder, "interval": "1m", "rules": rules}
    return {"apiVersion": 1, "groups": [group]}


def _built(rule: _Rule) -> Rule:
    measured = InfluxQuery(ref_id="A", query=newest(rule.metric, rule.tag), alias="")
    last = expr.TypeReduce().datasource(_EXPRESSION).expression("A").reducer("last").ref_id("B")
    evaluator = (
        expr.ExprTypeThresholdConditionsEvaluator()
        .type("lt" if rule.below else "gt")
        .params([rule.bound])
    )
    beyond = (
        expr.TypeThreshold()
        .datasource(_EXPRESSION)
        .expression("B")
        .conditions([expr.ExprTypeThresholdConditions().evaluator(evaluator)])
        .ref_id("C")
    )
    return (
        alerting.Rule(rule.title)
        .uid(rule.uid)
        .condition("C")
        .with_query(_query("A", DATA_SOURCE_UID, measured))
        .with_query(_query("B", "__expr__", last))
        .with_query(_query("C", "__expr__", beyond))
        .for_val(rule.lasts)
        .no_data_state(rule.silent_is)
        .exec_err_state("Error")
        .folder_uid(GROUP)
        .rule_group(GROUP)
        .org_id(1)
        .labels({"severity": rule.severity})
        .annotations({"summary": rule.summary})
        .build()
    )


def _query(ref_id: str, uid: str, model: Builder[Dataquery]) -> alerting.Query:
    return (
        alerting.Query(ref_id)
        .datasource_uid(uid)
        .relative_time_range(RelativeTimeRange(from_val=_LOOK_BACK_SECONDS, to=0))
        .model(model)
    )
