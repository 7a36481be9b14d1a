"""PUBLISH: the results of a run as JUnit XML, which every CI server reads."""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

# XML 1.0 has no way to write these, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Mapping[str, Any]) -> str:
    """Return one test suite per notebook and one test case per check.

    Parameters
    ----------
    results : mapping
        The content of results.json.

    Returns
    -------
    str
        A required fail is a ``failure``; a required check without an answer and a
        notebook without a result are ``error``; a check without an answer that is
        not required is ``skipped``; a fail that is not required passes with a note.
    """
    root = ET.Element("testsuites", name=_text(results["case"]))
    for notebook in results["notebooks"]:
        suite = ET.SubElement(root, "testsuite", name=_text(notebook["name"]))
        own = [one for one in results["checks"] if one["notebook"] == notebook["name"]]
        for check in own:
            _add_check(suite, check)
        if not notebook["complete"]:
            case = ET.SubElement(suite, "testcase", name="notebook", classname="run")
            _add(case, "error", notebook["reason_code"], notebook["message"])
    for element in (root, *root):
        element.set("tests", str(len(list(element.iter("testcase")))))
        for counter, tag in (("failures", "failure"), ("errors", "error")):
            element.set(counter, str(len(list(element.iter(tag)))))
        element.set("skipped", str(len(list(element.iter("skipped")))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _add_check(suite: ET.Element, check: Mapping[str, Any]) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_text(f"{check['code']} {check['title']}"),
        classname=_text(check["dimension"]),
        time=f"{check['seconds']:.3f}",
    )
    broken = [one for one in check["findings"] if one["status"] == "fail"]
    decisive = [one for one in broken if one["required"] and not one["waived"]]
    if decisive:
        _add(case, "failure", "fail", "; ".join(map(_sentence, decisive)))
    elif broken:
        ET.SubElement(case, "system-out").text = _text(
            "Not decisive: " + "; ".join(map(_sentence, broken))
        )
    elif check["status"] in ("inconclusive", "not_assessed"):
        tag = "error" if _is_open(check) else "skipped"
        why = check["message"] or check["reason"] or check["status"]
        _add(case, tag, check["status"], why)


def _is_open(check: Mapping[str, Any]) -> bool:
    """Return whether a required finding has no answer."""
    return any(
        one["required"] and one["status"] in ("inconclusive", "not_assessed")
        for one in check["findings"]
    )


def _sentence(finding: Mapping[str, Any]) -> str:
    place = f" ({finding['group']})" if finding["group"] else ""
    side = str(finding["side"]).replace("_", " ")
    return (
        f"{finding['metric']}{place} is {finding['value']}, interval "
        f"{finding['ci_low']} to {finding['ci_high']}, must be {side} "
        f"{finding['limit']}"
    )


def _add(case: ET.Element, tag: str, kind: str | None, message: str | None) -> None:
    ET.SubElement(case, tag, type=_text(kind), message=_text(message))


def _text(value: object) -> str:
    return _UNWRITABLE.sub("\ufffd", "" if value is None else str(value))
