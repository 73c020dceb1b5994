"""Recipes of models: which estimators foretell the value and its direction, and their fitting.

A recipe names two estimators of scikit-learn, or of anything with its interface: one foretells the
value, one the chance that it is above 0. The quantiles about the value are those of the errors that
were made on the newest part of the past, which was kept back for that. The estimators are imported
when a model is made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_KEPT_BACK: Final = 0.25
"""The newest part of the past, on which errors are measured."""


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
    """

    name: str
    value: Callable[[], Any]
    direction: Callable[[], Any]

    def fitted(
        self, rows: pl.DataFrame, features: Sequence[str], quantiles: Sequence[float]
    ) -> "Fitted":
        """Return the model of the past."""
        x, y = _numbers(rows, features), rows["value"].to_numpy()
        learned = max(1, int(len(y) * (1 - _KEPT_BACK)))
        tried = self.value().fit(x[:learned], y[:learned])
        missed = y[learned:] - tried.predict(x[learned:])
        is_above = y > 0
        both = is_above.any() and not is_above.all()
        return Fitted(
            features=tuple(features),
            value=self.value().fit(x, y),
            direction=self.direction().fit(x, is_above) if both else None,
            always_above=bool(is_above.all()),
            offsets=tuple(np.quantile(missed, quantiles).tolist()),
        )


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


def _scaled(make: Callable[[], Any]) -> Any:  # noqa: ANN401 (scikit-learn has no types)
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), make())


def _ridge() -> Any:  # noqa: ANN401
    from sklearn.linear_model import Ridge

    return _scaled(lambda: Ridge(alpha=30.0))


def _logistic() -> Any:  # noqa: ANN401
    from sklearn.linear_model import LogisticRegression

    return _scaled(lambda: LogisticRegression(C=1 / 30, max_iter=500))


_TREES: Final = {"max_iter": 120, "learning_rate": 0.05, "max_leaf_nodes": 8, "random_state": 0}


def _boosted_value() -> Any:  # noqa: ANN401
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(min_samples_leaf=40, l2_regularization=5.0, **_TREES)


def _boosted_direction() -> Any:  # noqa: ANN401
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(min_samples_leaf=40, l2_regularization=5.0, **_TREES)


LINEAR: Final = Recipe("linear", _ridge, _logistic)
"""Ridge and logistic regression: few numbers to learn, so it needs weeks and not years."""
BOOSTED: Final = Recipe("boosted", _boosted_value, _boosted_direction)
"""Histogram gradient boosting: finds what is not linear, if there is enough of a past."""
