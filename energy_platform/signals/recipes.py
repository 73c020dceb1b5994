"""Recipes of models: which estimators foretell the value and its direction, and their fitting.

A recipe names two estimators of scikit-learn, or of anything with its interface: one foretells the
value, one the chance that it is above 0. The quantiles about the value are those of the errors that
were made on each part of the past after learning from its other parts: a few weeks hold a few moods
of a market, and the newest days alone may hold a single one. The estimators are imported when a
model is made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_PARTS: Final = 5
"""In how many stretches the past is cut, each of which is foretold from the others."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected of some deliveries.

    Attributes:
        quantiles: A row for each delivery, a column for each quantile, in the signal's unit.
        chance_above: The chance that the value is above 0.
    """

    quantiles: Floats
    chance_above: Floats


class Model(Protocol):
    """A fitted model."""

    def predict(self, rows: pl.DataFrame) -> Prediction:
        """Return what is expected of deliveries whose features are all there."""


class Maker(Protocol):
    """Makes a model of the past: a recipe, or a baseline."""

    @property
    def name(self) -> str:
        """What it is called in scores."""

    def fitted(
        self, rows: pl.DataFrame, features: Sequence[str], quantiles: Sequence[float]
    ) -> Model:
        """Return a model of rows with features and `value`, in the order of delivery."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is made.

    Attributes:
        name: Its name.
        value: Makes an estimator of the value: `fit(x, y)`, `predict(x)`.
        direction: Makes a classifier of its sign: `fit(x, y)`, `predict_proba(x)`.
        even: Whether an error is as likely above as below, so that each counts with both signs.
    """

    name: str
    value: Callable[[], Any]
    direction: Callable[[], Any]
    even: bool = False

    def fitted(
        self, rows: pl.DataFrame, features: Sequence[str], quantiles: Sequence[float]
    ) -> "Fitted":
        """Return the model of the past."""
        x, y = _numbers(rows, features), rows["value"].to_numpy()
        missed = self._errors(x, y)
        is_above = y > 0
        both = is_above.any() and not is_above.all()
        return Fitted(
            features=tuple(features),
            value=self.value().fit(x, y),
            direction=self.direction().fit(x, is_above) if both else None,
            always_above=bool(is_above.all()),
            offsets=tuple(np.quantile(missed, quantiles).tolist()),
        )

    def _errors(self, x: Floats, y: Floats) -> Floats:
        """Return the errors in each stretch of the past by a model of the others."""
        missed = np.empty(y.size)
        for part in np.array_split(np.arange(y.size), _PARTS):
            others = np.delete(np.arange(y.size), part)
            missed[part] = y[part] - self.value().fit(x[others], y[others]).predict(x[part])
        return np.concatenate([missed, -missed]) if self.even else missed


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted recipe.

    Attributes:
        features: The features that its estimators take, in their order.
        value: The estimator of the value.
        direction: The classifier of its sign; None if the past had one sign alone.
        always_above: That sign.
        offsets: What is added to the value for each quantile.
    """

    features: tuple[str, ...]
    value: Any
    direction: Any
    always_above: bool
    offsets: tuple[float, ...]

    def predict(self, rows: pl.DataFrame) -> Prediction:
        """Return what is expected of deliveries."""
        x = _numbers(rows, self.features)
        middle = np.asarray(self.value.predict(x), dtype=float)
        if self.direction is None:
            chance = np.full(middle.shape, float(self.always_above))
        else:
            chance = np.asarray(self.direction.predict_proba(x)[:, 1], dtype=float)
        return Prediction(middle[:, None] + np.array(self.offsets), chance)

    def parts(self) -> Mapping[str, Any]:
        """Return it as plain values and estimators, to be kept in a file."""
        return {
            "features": list(self.features),
            "value": self.value,
            "direction": self.direction,
            "always_above": self.always_above,
            "offsets": list(self.offsets),
        }

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> "Fitted":
        """Return the model of such values."""
        return cls(
            features=tuple(parts["features"]),
            value=parts["value"],
            direction=parts["direction"],
            always_above=parts["always_above"],
            offsets=tuple(parts["offsets"]),
        )


def _numbers(rows: pl.DataFrame, features: Sequence[str]) -> Floats:
    return rows.select(pl.col(*features).cast(pl.Float64)).to_numpy()


def _scaled(estimator: Any, *, constant: bool) -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(with_mean=constant), estimator)


def _ridge(*, constant: bool) -> Any:  # noqa: ANN401
    from sklearn.linear_model import Ridge

    return _scaled(Ridge(alpha=30.0, fit_intercept=constant), constant=constant)


def _logistic(*, constant: bool) -> Any:  # noqa: ANN401
    from sklearn.linear_model import LogisticRegression

    direction = LogisticRegression(C=1 / 30, max_iter=500, fit_intercept=constant)
    return _scaled(direction, constant=constant)


_TREES: Final = {"max_iter": 120, "learning_rate": 0.05, "max_leaf_nodes": 8, "random_state": 0}


def _boosted_value() -> Any:  # noqa: ANN401
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(min_samples_leaf=40, l2_regularization=5.0, **_TREES)


def _boosted_direction() -> Any:  # noqa: ANN401
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(min_samples_leaf=40, l2_regularization=5.0, **_TREES)


LINEAR: Final = Recipe("linear", partial(_ridge, constant=True), partial(_logistic, constant=True))
"""Ridge and logistic regression: few numbers to learn, so it needs weeks and not years."""
PROPORTIONAL: Final = Recipe(
    "proportional",
    partial(_ridge, constant=False),
    partial(_logistic, constant=False),
    even=True,
)
"""The same without a constant: it expects 0 where all features are 0.

For what has no lasting premium, such as a spread that traders would trade away. What a few weeks
brought on average says more about their moods than about the next ones.
"""
BOOSTED: Final = Recipe("boosted", _boosted_value, _boosted_direction)
"""Histogram gradient boosting: finds what is not linear, if there is enough of a past."""
