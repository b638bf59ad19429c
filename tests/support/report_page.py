"""The page of a report, as a browser would read it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from lxml import etree

ALLOWED_ATTRIBUTES = {"src", "href", "xlink:href", "action", "data"}


class ReportPage:
    """A page."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = etree.fromstring(text.encode(), etree.HTMLParser(encoding="utf-8"))

    @classmethod
    def read(cls, file: str | Path) -> ReportPage:
        return cls(Path(file).read_text(encoding="utf-8"))

    @cached_property
    def headings(self) -> list[str]:
        return ["".join(each.itertext()) for each in self.tree.iter("h1", "h2")]

    @cached_property
    def verdict(self) -> list[str]:
        return ["".join(each.itertext()) for each in self.tree.iterfind(".//div[@class]/p") if _is_verdict(each)]

    @cached_property
    def notes(self) -> list[str]:
        return ["".join(each.itertext()) for each in self.tree.iterfind(".//ul[@class='notes']/li")]

    @cached_property
    def links(self) -> dict[str, str]:
        return {each.text or "": each.get("href") or "" for each in self.tree.iter("a")}

    @cached_property
    def cards(self) -> dict[str, str]:
        cards = self.tree.iterfind(".//dl[@class='cards']/div")
        return {each.findtext("dt") or "": " ".join("".join(each.find("dd").itertext()).split()) for each in cards}

    def section(self, heading: str) -> Any:
        """The section whose heading begins like this."""
        sections = self.tree.iter("section")
        return next(each for each in sections if "".join(each.find("h2").itertext()).startswith(heading))

    def table(self, heading: str) -> list[dict[str, str]]:
        """The rows of the table below a heading, by column."""
        table = self.section(heading).find(".//table")
        heads = ["".join(head.itertext()) for head in table.iterfind("thead/tr/th")]
        return [
            dict(zip(heads, (" | ".join(cell.itertext()) for cell in row), strict=True))
            for row in table.iterfind("tbody/tr")
        ]

    def charts(self, heading: str) -> dict[str, dict[str, Any]]:
        """For each chart below a heading: its lines, as the page's script has them, by label."""
        charts = {}
        for figure in self.section(heading).iter("figure"):
            labels = ["".join(span.itertext()) for span in figure.iterfind("figcaption/span")]
            data = figure.find("svg").get("data-chart")
            lines = json.loads(data)["lines"] if data else []
            charts[figure.findtext("figcaption/b")] = dict(zip(labels, lines, strict=False))
        return charts

    def check_self_contained(self) -> None:
        """The page loads nothing, and its policy allows its own script and style only."""
        policy = next(each.get("content") for each in self.tree.iter("meta") if each.get("http-equiv")) or ""
        for tag, directive in (("script", "script-src"), ("style", "style-src")):
            (element,) = self.tree.iter(tag)
            digest = base64.b64encode(hashlib.sha256((element.text or "").encode()).digest()).decode()
            assert f"{directive} 'sha256-{digest}'" in policy, tag
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for element in self.tree.iter(etree.Element):
            assert element.tag not in {"img", "link", "iframe", "object", "embed", "base", "image"}, element.tag
            for name, value in element.attrib.items():
                assert not name.startswith("on"), (element.tag, name)
                assert name != "style", element.tag
                if name in ALLOWED_ATTRIBUTES:
                    assert element.tag == "a", element.tag
                    assert value.startswith("https://"), value
        assert not re.search(r"url\(|@import", self.text)
        for drawing in re.findall(r"<svg.*?</svg>", self.text, re.DOTALL):
            ET.fromstring(drawing)  # noqa: S314 - our own


def _is_verdict(paragraph: Any) -> bool:
    return "verdict" in (paragraph.getparent().get("class") or "").split()
