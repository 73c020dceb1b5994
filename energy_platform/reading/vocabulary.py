"""The words of the market: what people call a thing, in English, in German, and by its code.

A `Concept` is one thing with all its words; `also` names narrower things that it stands for. Words
are written in lower case and without accents, as `reading.words.folded` returns them. Only words
that no table uses for itself need an entry; a table's own words are found without one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing of the market.

    Attributes:
        words: What people call it, single words or several.
        also: The names of narrower concepts that a question for this one finds too, later.
    """

    words: tuple[str, ...]
    also: tuple[str, ...] = ()


def _said(*words: str, also: tuple[str, ...] = ()) -> Concept:
    return Concept(words, also)


_THINGS: Final = {
    # prices and markets
    "price": _said("price", "preis", "cost", "kosten"),
    "power": _said(
        *("power", "electricity", "strom", "elektrizitat", "elektrisch"),
        also=("day ahead", "intraday", "generation", "load", "imbalance", "spread"),
    ),
    "day ahead": _said(
        *("day ahead", "dayahead", "spot", "spotmarkt", "spot market", "da", "dam", "sdac", "epex"),
        *("epex spot", "vortag", "borse", "spotpreis", "auction", "auktion"),
    ),
    "intraday": _said(
        *("intraday", "idc", "sidc", "xbid", "continuous", "kontinuierlich", "id1", "id3"),
    ),
    "trade": _said(
        "trade", "trades", "ticker", "deal", "geschaft", "handel", "transaction", "tick"
    ),
    "order book": _said("order book", "orderbook", "orderbuch", "bid ask", "market depth", "l2"),
    "contract": _said("contract", "kontrakt", "vertrag", "instrument"),
    "bar": _said("bar", "ohlc", "ohlcv", "candle", "candlestick", "kerze"),
    "volume-weighted": _said("volume weighted", "weighted by volume", "vwap", "volumengewichtet"),
    "volume": _said("volume", "volumen", "menge", "turnover", "umsatz"),
    "spread": _said("spread", "preisdifferenz", "price difference", "arbitrage"),
    "exaa": _said("exaa"),
    # load, generation, weather
    "load": _said(
        *("load", "demand", "consumption", "last", "verbrauch", "stromverbrauch", "netzlast"),
        *("lastgang", "bedarf"),
    ),
    "residual load": _said("residual load", "residuallast", "net load", "restlast"),
    "forecast": _said(
        *("forecast", "prognose", "vorhersage", "prediction", "predicted", "expected"),
        *("voraussichtlich", "nwp", "outlook"),
    ),
    "error": _said("error", "fehler", "abweichung", "deviation", "accuracy", "bias", "skill"),
    "actual": _said(
        *("actual", "actuals", "outcome", "observation", "observed", "measured", "measurement"),
        *("ist", "istwert", "messwert", "messung", "beobachtung"),
        also=("generation", "load"),
    ),
    "generation": _said(
        *("generation", "production", "erzeugung", "einspeisung", "produktion", "output"),
        *("feed in", "fed in", "infeed"),
    ),
    "fuel": _said(
        *("fuel", "production type", "energietrager", "brennstoff", "generation mix"),
        *("erzeugungsart", "type of production", "type of plant", "technology"),
    ),
    "wind": _said("wind", "windkraft", "windenergie", "windpark", "windpower"),
    "onshore": _said("onshore", "an land", "on land"),
    "offshore": _said("offshore", "auf see", "at sea"),
    "solar": _said(
        *("solar", "pv", "photovoltaic", "photovoltaik", "sonne", "sun", "sonnenenergie"),
        *("fotovoltaik", "sonnenstrom"),
    ),
    "nuclear": _said("nuclear", "kernenergie", "kernkraft", "atomkraft", "atom", "atomstrom"),
    "lignite": _said("lignite", "brown coal", "braunkohle"),
    "hard coal": _said("hard coal", "steinkohle"),
    "coal": _said("coal", "kohle", also=("lignite", "hard coal")),
    "hydro": _said(
        *("hydro", "wasserkraft", "water", "run of river", "laufwasser", "reservoir"),
        *("npshyd", "hydropower"),
        also=("pumped storage",),
    ),
    "pumped storage": _said(
        *("pumped storage", "hydro pumped storage", "pumpspeicher", "pumped hydro", "pumping"),
        *("ps",),
    ),
    "biomass": _said("biomass", "biomasse", "biogas"),
    "oil": _said("oil", "ol", "heizol"),
    "geothermal": _said("geothermal", "geothermie", "erdwarme"),
    "waste": _said("waste", "mull", "abfall"),
    "battery": _said("battery", "batteries", "batterie", "bess", "energy storage"),
    "renewable": _said(
        *("renewable", "erneuerbar", "erneuerbare", "erneuerbaren", "ee", "res", "vre", "green"),
        also=("wind", "solar", "hydro", "biomass"),
    ),
    "combined cycle": _said("combined cycle", "ccgt", "gud", "combined cycle gas"),
    "share": _said("share", "anteil", "penetration"),
    "weather": _said("weather", "wetter", "meteo", "meteorologie", "meteorological", "climate"),
    "temperature": _said("temperature", "temperatur"),
    "radiation": _said(
        *("radiation", "irradiance", "irradiation", "strahlung", "globalstrahlung", "ghi", "dni"),
        *("einstrahlung", "solar radiation", "shortwave"),
    ),
    "sunshine": _said("sunshine", "sonnenschein", "sonnenscheindauer"),
    "wind speed": _said("wind speed", "windgeschwindigkeit", "windstarke"),
    "gust": _said("gust", "windboe", "boe", "boen", "windspitze"),
    "precipitation": _said("precipitation", "rain", "rainfall", "niederschlag", "regen"),
    "snow": _said("snow", "schnee"),
    "cloud cover": _said("cloud cover", "clouds", "bewolkung", "wolken", "bedeckung"),
    "humidity": _said("humidity", "luftfeuchte", "luftfeuchtigkeit", "feuchte"),
    "pressure": _said("pressure", "luftdruck"),
    "station": _said("station", "wetterstation", "messstation"),
    "degree days": _said(
        *("degree days", "degree day", "hdd", "cdd", "gradtage", "gradtag", "gradtagzahl"),
        *("heizgradtage", "kuhlgradtage", "heating degree days", "cooling degree days"),
    ),
    "heating": _said("heating", "heizung", "heizen"),
    # grid and balancing
    "grid": _said("grid", "netz", "stromnetz", "network", "tso", "unb", "ubertragungsnetz"),
    "frequency": _said("frequency", "frequenz", "netzfrequenz", "hertz", "hz"),
    "imbalance": _said(
        *("imbalance", "ausgleichsenergie", "bilanzkreisabweichung", "system balance", "niv"),
        *("net imbalance volume", "nrv saldo", "regelzonensaldo", "saldo", "deviation price"),
        *("ungleichgewicht", "system imbalance", "ausgleichsenergiepreis"),
    ),
    "rebap": _said("rebap"),
    "nrv-saldo": _said("nrv saldo", "nrvsaldo", "netzregelverbund", "gcc balance"),
    "system price": _said("system price", "system sell price", "system buy price", "ssp", "sbp"),
    "balancing": _said(
        *("balancing", "balancing energy", "regelenergie", "balancing power"),
        also=("reserve", "imbalance"),
    ),
    "reserve": _said(
        *("reserve", "control reserve", "regelleistung", "regelreserve", "ancillary services"),
        *("ancillary", "systemdienstleistung", "balancing capacity", "operating reserve"),
    ),
    "fcr": _said("fcr", "prl", "primarregelleistung", "primarreserve", "primary reserve"),
    "afrr": _said("afrr", "srl", "sekundarregelleistung", "sekundarreserve", "secondary reserve"),
    "mfrr": _said("mfrr", "mrl", "minutenreserve", "tertiary reserve", "minute reserve"),
    "tender": _said("tender", "ausschreibung", "bid", "gebot"),
    "activation": _said("activation", "abruf", "aktivierung"),
    "outage": _said(
        *("outage", "unavailability", "unavailabilities", "unavailable", "nichtverfugbarkeit"),
        *("ausfall", "ausfalle", "kraftwerksausfall", "stillstand", "remit", "umm"),
        *("unavailable capacity", "urgent market message", "verfugbarkeit", "availability"),
        *("storung",),
    ),
    "maintenance": _said("maintenance", "wartung", "planned maintenance"),
    "plant": _said("plant", "power plant", "kraftwerk", "power station", "generating unit"),
    "flow": _said("flow", "fluss", "physical flow"),
    "cross border": _said(
        *("cross border", "crossborder", "grenze", "grenzuberschreitend", "border"),
        *("interconnector", "kuppelstelle", "lastfluss", "import", "export", "importe", "exporte"),
    ),
    "schedule": _said("schedule", "scheduled", "fahrplan", "fahrplane", "nominated"),
    "exchange": _said("exchange", "austausch", "handelsfluss", "commercial exchange"),
    "transfer capacity": _said(
        *("max exchange", "maximum exchange", "maximum bilateral exchange", "ntc", "atc"),
        *("transfer capacity", "cross border capacity", "ubertragungskapazitat"),
        *("grenzkapazitat", "flow based", "fbmc", "interconnector capacity", "lta"),
    ),
    "capacity": _said("capacity", "kapazitat", "leistung", "installed capacity"),
    "bidding zone": _said(
        *("bidding zone", "gebotszone", "price area", "preiszone", "marktgebiet", "zone"),
    ),
    "control area": _said("control area", "regelzone"),
    "europe": _said("europe", "european", "europa", "eu", "continental", "core"),
    # gas
    "gas": _said("gas", "erdgas", "natural gas", "ng", "ttf", "methane"),
    "storage": _said("storage", "speicher", "inventory", "stock"),
    "filling level": _said(
        *("full", "filling level", "fill level", "fullstand", "speicherstand", "level"),
    ),
    "nomination": _said("nomination", "nominierung", "renomination"),
    "injection": _said("injection", "einspeicherung"),
    "withdrawal": _said("withdrawal", "ausspeicherung"),
    "balance": _said("balance", "bilanz"),
    "pipeline": _said("pipeline", "transmission point", "leitung"),
    # the desk's own
    "position": _said("position", "exposure", "book of the desk", "offene position"),
    "signal": _said("signal", "trading signal", "prediction", "handelssignal", "vorhersage"),
    "portfolio": _said("portfolio", "bilanzkreis", "balancing group"),
    "feature": _said("feature", "features", "merkmal", "merkmale", "training data", "regressor"),
    # providers
    "entso-e": _said("entso e", "entsoe", "transparency platform", "transparency"),
    "entsog": _said("entsog"),
    "agsi": _said("agsi", "gie", "agsi+"),
    "elexon": _said("elexon", "bmrs", "insights"),
    "dwd": _said("dwd", "deutscher wetterdienst", "german weather service"),
    "met office": _said("met office", "ukmo"),
    "noaa": _said("noaa", "ncep"),
    "nord pool": _said("nord pool", "nordpool", "np"),
    "open-meteo": _said("open meteo", "openmeteo"),
    "energy-charts": _said("energy charts", "energycharts", "fraunhofer", "fraunhofer ise"),
    "smard": _said("smard", "bundesnetzagentur", "bnetza"),
    "netztransparenz": _said("netztransparenz", "netztransparenz de"),
    "regelleistung.net": _said("regelleistung net"),
    "ote": _said("ote", "ote cr"),
    "gme": _said("gme", "ipex", "mercato"),
    "ceps": _said("ceps"),
    "energi data service": _said("energi data service", "energidataservice", "energinet", "eds"),
    "jao": _said("jao", "joint allocation office"),
}

CONCEPTS: Final[Mapping[str, Concept]] = MappingProxyType(_THINGS)
"""Every concept by its name."""

COUNTRIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "AL": ("albania", "albanian", "albanien"),
        "AT": ("austria", "austrian", "osterreich", "osterreichisch", "apg"),
        "BA": ("bosnia", "bosnian", "bosnien"),
        "BE": ("belgium", "belgian", "belgien", "belgisch", "elia"),
        "BG": ("bulgaria", "bulgarian", "bulgarien"),
        "CH": ("switzerland", "swiss", "schweiz", "schweizer", "swissgrid"),
        "CY": ("cyprus", "zypern"),
        "CZ": ("czech", "czechia", "czech republic", "tschechien", "tschechisch"),
        "DE": ("germany", "german", "deutschland", "deutsch", "deutsche", "deutscher"),
        "DK": ("denmark", "danish", "danemark", "danisch"),
        "EE": ("estonia", "estonian", "estland"),
        "ES": ("spain", "spanish", "spanien", "spanisch"),
        "FI": ("finland", "finnish", "finnland", "finnisch"),
        "FR": ("france", "french", "frankreich", "franzosisch", "rte"),
        "GB": (
            *("great britain", "britain", "british", "uk", "united kingdom", "england"),
            *("grossbritannien", "britisch"),
        ),
        "GE": ("georgia", "georgian", "georgien"),
        "GR": ("greece", "greek", "griechenland"),
        "HR": ("croatia", "croatian", "kroatien"),
        "HU": ("hungary", "hungarian", "ungarn", "ungarisch"),
        "IE": ("ireland", "irish", "irland", "sem"),
        "IT": ("italy", "italian", "italien", "italienisch", "terna"),
        "LT": ("lithuania", "lithuanian", "litauen"),
        "LU": ("luxembourg", "luxemburg"),
        "LV": ("latvia", "latvian", "lettland"),
        "MD": ("moldova", "moldau"),
        "ME": ("montenegro",),
        "MK": ("north macedonia", "macedonia", "nordmazedonien"),
        "MT": ("malta",),
        "NL": ("netherlands", "dutch", "niederlande", "holland", "hollandisch", "tennet nl"),
        "NO": ("norway", "norwegian", "norwegen", "norwegisch"),
        "PL": ("poland", "polish", "polen", "polnisch"),
        "PT": ("portugal", "portuguese", "portugiesisch"),
        "RO": ("romania", "romanian", "rumanien"),
        "RS": ("serbia", "serbian", "serbien"),
        "SE": ("sweden", "swedish", "schweden", "schwedisch"),
        "SI": ("slovenia", "slovenian", "slowenien"),
        "SK": ("slovakia", "slovak", "slowakei"),
        "TR": ("turkey", "turkish", "turkiye", "turkei"),
        "UA": ("ukraine", "ukrainian"),
        "US": ("united states", "usa", "america", "conus", "amerika"),
        "XK": ("kosovo",),
    }
)
"""Countries by their code, and the words that texts and people use instead."""

REGIONS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = MappingProxyType(
    {
        "nordics": (("nordic", "nordics", "scandinavia", "skandinavien"), ("DK", "FI", "NO", "SE")),
        "baltics": (("baltic states", "baltics", "baltikum"), ("EE", "LT", "LV")),
        "iberia": (("iberia", "iberian", "mibel", "iberien"), ("ES", "PT")),
        "alpine": (("alpine", "alpen"), ("AT", "CH")),
        "western europe": (("cwe", "western europe", "westeuropa"), ("AT", "BE", "DE", "FR", "NL")),
    }
)
"""Groups of countries: their words, and their countries."""

OUTSIDE_THE_CONTINENT: Final = frozenset({"GB", "IE", "US"})
"""Countries of which a text on the continent does not speak."""

ONLY_ASKED: Final = frozenset(
    {"da", "ee", "handel", "ist", "last", "ng", "np", "ol", "res", "stock"}
)
"""Words of a question that mean something else in the tables' English texts."""

LITTLE_WORDS: Final = frozenset(
    {
        *("a", "an", "and", "are", "as", "by", "for", "from", "in", "is", "of", "on", "or", "per"),
        *("the", "to", "with", "what", "which", "where"),
        *("am", "auf", "aus", "bei", "das", "dem", "den", "der", "des", "die", "ein", "eine"),
        *("fur", "im", "mit", "oder", "und", "vom", "von", "zum", "zur"),
        *("data", "daten", "dataset", "series", "timeseries", "zeitreihe", "zeitreihen", "table"),
        *("tabelle", "values", "werte", "history", "historical", "historisch", "latest"),
        *("current", "aktuell", "live"),
    }
)
"""Words of a question that say nothing about what is looked for."""
