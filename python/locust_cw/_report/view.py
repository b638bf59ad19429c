"""What the page consists of: cards, tables and groups of charts, as text without markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from locust_cw._report.svg import Drawing


@dataclass(frozen=True)
class Section:
    """A part near the top of the page that another module makes.

    Attributes:
        title: Its heading.
        html: Its content. Texts are escaped. It has neither `style` attributes nor scripts, because the page's policy
            refuses them; the classes of `page.css` are available.

    """

    title: str
    html: str


@dataclass(frozen=True)
class Link:
    """A link."""

    title: str
    url: str


@dataclass(frozen=True)
class Card:
    """A number at the top of the page."""

    name: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Head:
    """The head of a column. Columns of text are aligned on the left, others on the right."""

    title: str
    is_text: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell. `kind` is a class of the style sheet, and `detail` a text below the other."""

    text: str
    kind: str = ""
    detail: str = ""


@dataclass(frozen=True)
class TableRow:
    """A row."""

    cells: tuple[Cell, ...]
    is_total: bool = False


@dataclass(frozen=True)
class Table:
    """A table."""

    heads: tuple[Head, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True)
class Charts:
    """Charts under one heading, each as wide as the page or in pairs."""

    title: str
    drawings: tuple[Drawing, ...]
    in_pairs: bool = False


@dataclass(frozen=True)
class Part:
    """A part of the page: charts, and then a table."""

    title: str
    groups: tuple[Charts, ...] = field(default=())
    table: Table | None = None
    remark: str = ""
