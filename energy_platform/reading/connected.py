"""What all questions to a platform share: where its data are."""

from dataclasses import dataclass, field

from energy_platform.reading.place import Place


@dataclass(frozen=True)
class Connected:
    """A platform that questions can be put to; a value that can be pickled.

    Each family of questions is a class of its own that derives from this one, and
    `energy_platform.reading.platform.Platform` is all of them.
    """

    place: Place = field(default_factory=Place)
