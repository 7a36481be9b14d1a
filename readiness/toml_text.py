"""Values and keys as TOML, for the files that are written for people."""

import json
import re


def toml_value(value: object) -> str:
    """Return a value as TOML; a basic string is JSON's but for DEL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(float(value) if isinstance(value, float) else int(value))
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(name: str) -> str:
    """Return a name as a TOML key, quoted where it must be."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else toml_value(name)
