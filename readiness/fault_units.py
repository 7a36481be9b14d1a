"""Units as people write them, and what a value becomes when units are mistaken."""

_CONVERSIONS = {
    "°F": ("°C", 5 / 9, -160 / 9),
    "in": ("cm", 2.54, 0.0),
    "in/h": ("mm/h", 25.4, 0.0),
    "ft": ("m", 0.3048, 0.0),
    "mi": ("km", 1.609344, 0.0),
    "mph": ("km/h", 1.609344, 0.0),
    "lb": ("kg", 0.45359237, 0.0),
    "psi": ("hPa", 68.9475729, 0.0),
    "min": ("s", 60.0, 0.0),
    "h": ("min", 60.0, 0.0),
}
# A unit -> the unit it is taken for, slope and offset.
UNIT_MISTAKES = {
    **_CONVERSIONS,
    **{
        other: (unit, 1 / slope, -offset / slope)
        for unit, (other, slope, offset) in _CONVERSIONS.items()
        if other not in _CONVERSIONS
    },
}
UNIT_NAMES = {
    "F": "°F",
    "degF": "°F",
    "C": "°C",
    "degC": "°C",
    "inch": "in",
    "inches": "in",
    "inches per hour": "in/h",
    "feet": "ft",
    "metres": "m",
    "meters": "m",
    "mile": "mi",
    "miles": "mi",
    "miles per hour": "mph",
    "kmh": "km/h",
    "kph": "km/h",
    "pounds": "lb",
    "mbar": "hPa",
    "minutes": "min",
    "hours": "h",
    "seconds": "s",
}
# Units of a time of day: how much one hour is, and how much a day.
DAY_CLOCKS = {
    "minutes after midnight": (60.0, 1440.0),
    "minute of the day": (60.0, 1440.0),
    "seconds after midnight": (3600.0, 86_400.0),
    "hours after midnight": (1.0, 24.0),
    "hour of the day": (1.0, 24.0),
}


def unit_mistake(unit: str | None) -> tuple[str, str, float, float] | None:
    """Return the unit, the one it is mistaken for, and slope and offset of the value.

    Examples
    --------
    >>> unit_mistake("inches")
    ('in', 'cm', 2.54, 0.0)
    >>> unit_mistake("seats") is None
    True
    """
    name = UNIT_NAMES.get(unit or "", unit or "")
    if name not in UNIT_MISTAKES:
        return None
    other, slope, offset = UNIT_MISTAKES[name]
    return name, other, slope, offset
