"""The registry of models: a folder for each version, with the model's file and a manifest.

    HOME/signals/NAME/VERSION/model.skops, manifest.json      HOME/signals/NAME/current

A model is kept by skops, which reads back numbers and the estimators of a short list, and runs
nothing that a file says; a pickle could. The manifest says what the model was made of, and its
SHA-256 tells a file that is damaged.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.signal_silence import CURRENT, folder_of
from energy_platform.operations.supervision.home import write_whole
from energy_platform.signals.recipes import Fitted

_MODEL: Final = "model.skops"
_MANIFEST: Final = "manifest.json"
_KEPT: Final = 30
"""How many versions of a signal are kept."""
_LIBRARIES: Final = ("energy-platform", "numpy", "polars", "scikit-learn", "skops")
_TREES: Final = (
    "sklearn._loss.link.Interval", "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.LogitLink", "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfSquaredError", "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)  # fmt: skip
"""What skops reads beside what it trusts anyway: parts of gradient boosting, which hold numbers."""


class ModelUnusableError(EnergyPlatformError):
    """A model's file is damaged, or holds what is not read; the message names the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is known of a model.

    Attributes:
        signal: The signal.
        version: When it was trained and the beginning of its digest.
        recipe: The recipe's name.
        features: The features, in the order in which the estimators take them.
        known: By whose clock its features were known, "received" or "published".
        trained_at: When, in market time.
        first_delivery: The first delivery that it learned from.
        last_delivery: The last one.
        outcomes_known_until: When the newest outcome that it learned from became known.
        rows: How many deliveries it learned from.
        quantiles: Which quantiles it tells.
        usual: For each feature how it was distributed; see `drift`.
        scores: What the walk through its past scored, baselines included; empty if it is short.
        libraries: The versions of the libraries.
        sha256: The digest of the model's file.
    """

    signal: str
    version: str
    recipe: str
    features: tuple[str, ...]
    known: str
    trained_at: datetime
    first_delivery: datetime
    last_delivery: datetime
    outcomes_known_until: datetime
    rows: int
    quantiles: tuple[float, ...]
    usual: Mapping[str, Any]
    scores: tuple[Mapping[str, Any], ...]
    libraries: Mapping[str, str]
    sha256: str

    @property
    def beats_baselines(self) -> bool:
        """Whether its loss is smaller than each baseline's, with 90 % confidence."""
        better = self.scores[0]["pinball_less_by"].values() if self.scores else ()
        return bool(better) and all(one["low"] > 0 for one in better)

    def written(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), default=datetime.isoformat, indent=2) + "\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it.

        Raises:
            ValueError: It is none.
        """
        said = json.loads(text)
        for name in ("trained_at", "first_delivery", "last_delivery", "outcomes_known_until"):
            said[name] = datetime.fromisoformat(said[name])
        for name in ("features", "quantiles", "scores"):
            said[name] = tuple(said[name])
        return cls(**said)


@dataclass(frozen=True, slots=True)
class Registry:
    """The models of one signal.

    Attributes:
        folder: Its folder.
    """

    folder: Path

    @classmethod
    def of(cls, home: Path, signal: str) -> Self:
        """Return the registry of a signal in a home."""
        return cls(folder_of(home, signal))

    def keep(self, model: Fitted, trained_at: datetime, **about: Any) -> Manifest:  # noqa: ANN401
        """Keep a model as the current one; return its manifest.

        Args:
            model: The model.
            trained_at: When it was trained.
            about: The other fields of the manifest.
        """
        from skops import io

        content: bytes = io.dumps(dict(model.parts()))
        digest = hashlib.sha256(content).hexdigest()
        manifest = Manifest(
            version=f"{trained_at:%Y%m%dT%H%M%SZ}-{digest[:8]}",
            trained_at=trained_at,
            features=model.features,
            libraries={name: version(name) for name in _LIBRARIES},
            sha256=digest,
            **about,
        )
        place = self.folder / manifest.version
        place.mkdir(parents=True, exist_ok=True)
        write_whole(place / _MODEL, content)
        write_whole(place / _MANIFEST, manifest.written())
        write_whole(self.folder / CURRENT, manifest.version)
        self._forget()
        return manifest

    def current(self) -> Manifest | None:
        """Return the manifest of the current model; None if there is none.

        Raises:
            ModelUnusableError: It can't be read.
        """
        try:
            name = (self.folder / CURRENT).read_text().strip()
        except FileNotFoundError:
            return None
        return self.manifest(name)

    def versions(self) -> list[str]:
        """Return the versions that are kept, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(one.name for one in self.folder.iterdir() if one.is_dir())

    def manifest(self, version: str) -> Manifest:
        """Return the manifest of a version that is kept.

        Raises:
            ModelUnusableError: It can't be read.
        """
        file = self.folder / version / _MANIFEST
        try:
            return Manifest.read(file.read_text())
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelUnusableError(f"{_named(file)}: {error}") from error

    def model(self, manifest: Manifest) -> Fitted:
        """Return the model of a manifest.

        Raises:
            ModelUnusableError: The file is not the one that was written, or can't be read.
        """
        from skops import io

        file = self.folder / manifest.version / _MODEL
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ModelUnusableError(f"{_named(file)}: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != manifest.sha256:
            raise ModelUnusableError(f"{_named(file)} is not the file that its manifest tells of")
        try:
            return Fitted.of(io.loads(content, trusted=list(_TREES)))
        except Exception as error:  # whatever a format may raise
            raise ModelUnusableError(f"{_named(file)}: {error}") from error

    def _forget(self) -> None:
        """Delete the oldest versions."""
        for old in self.versions()[:-_KEPT]:
            folder = self.folder / old
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


def _named(file: Path) -> str:
    """Return the version and name of a file; readers of a dashboard need no path of the server."""
    return f"{file.parent.name}/{file.name}"
