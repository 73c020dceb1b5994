"""Drift: whether features still look as they did when the model learned.

The measure is the population stability index (PSI) over tenths of the past. A week of features
that change slowly differs from a year of them without any drift. So the limit of each feature is
measured too: by how much the weeks of the past itself differed. Where these never looked alike,
that says little; so a week of which a part lies outside of all that was seen is drift, too.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from energy_platform.signals.recipes import Floats

WINDOW: Final = timedelta(days=7)
_TENTHS: Final = 10
_LEAST_SHARE: Final = 0.01
"""What an empty tenth counts as, so that one value more or less is no drift."""
_MARGIN: Final = 1.5
_LEAST_LIMIT: Final = 0.5
_LEAST_ROWS: Final = 48
_MOST_UNSEEN: Final = 0.2
"""Which share of a week may lie outside of the past's range."""


def usual(rows: pl.DataFrame, features: list[str]) -> Mapping[str, Any]:
    """Return how features were distributed: the edges of their tenths, and the limit of drift."""
    return {name: _usual(rows, name) for name in features}


def _usual(rows: pl.DataFrame, name: str) -> Mapping[str, Any]:
    values = rows[name].drop_nulls().to_numpy()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _TENTHS + 1)[1:-1]))
    shares = _shares(values, edges)
    weeks = (
        rows.drop_nulls(name)
        .group_by_dynamic("delivery_start", every="1d", period=WINDOW, closed="left")
        .agg(name)
        .filter(pl.col(name).list.len() >= _LEAST_ROWS)
    )
    seen = [_psi(_shares(week.to_numpy(), edges), shares) for week in weeks[name]]
    limit = max(_LEAST_LIMIT, _MARGIN * max(seen, default=0.0))
    seen_from_to = [float(values.min()), float(values.max())]
    return {
        "edges": edges.tolist(), "shares": shares.tolist(), "limit": limit, "range": seen_from_to
    }  # fmt: skip


def drifted(rows: pl.DataFrame, known: Mapping[str, Any]) -> list[str]:
    """Return what is said of each feature that has drifted.

    Args:
        rows: The deliveries of the last `WINDOW`.
        known: What `usual` returned.
    """
    found = []
    for name, about in known.items():
        values = rows[name].drop_nulls().to_numpy()
        if values.size < _LEAST_ROWS:
            continue
        least, most = about["range"]
        unseen = float(((values < least) | (values > most)).mean())
        if unseen > _MOST_UNSEEN:
            found.append(f"{name} ({unseen:.0%} of a week outside of all that was seen)")
            continue
        index = _psi(_shares(values, np.array(about["edges"])), np.array(about["shares"]))
        if index > about["limit"]:
            found.append(f"{name} (stability index {index:.2f}, limit {about['limit']:.2f})")
    return found


def _shares(values: Floats, edges: Floats) -> Floats:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=edges.size + 1)
    shares: Floats = np.maximum(counts / max(values.size, 1), _LEAST_SHARE)
    return shares


def _psi(now: Floats, then: Floats) -> float:
    return float(((now - then) * np.log(now / then)).sum())
