"""Makes the links of the README absolute and adds the project URLs: on PyPI, relative links do not work.

    python docs/for_pypi.py https://github.com/owner/locust-cw v0.1.0

The workflow `release` runs this before it builds, with its repository and tag, so that no file contains the owner. It
changes README.md and pyproject.toml, so do not run it in a working tree.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

PICTURES = {".png", ".svg"}
"""Images, which need the raw file instead of GitHub's page about it."""

URLS = """\
[project.urls]
Source = "{repository}"
Documentation = "{repository}/blob/{tag}/README.md#guides"
Changelog = "{repository}/blob/{tag}/CHANGELOG.md"
Issues = "{repository}/issues"

"""


def absolute(page: str, repository: str, tag: str) -> str:
    """The page with each relative link replaced by the URL of the file at that tag."""

    def led(link: re.Match[str]) -> str:
        end = link[0]
        if re.match(r"[a-z]+:", end):
            return end
        if end.startswith("#"):
            end = f"README.md{end}"
        return f"{repository}/{'raw' if Path(end).suffix in PICTURES else 'blob'}/{tag}/{end}"

    return re.sub(r"(?<=\]\()[^)\s]+(?=\))", led, page)


def with_urls(pyproject: str, repository: str, tag: str) -> str:
    """The project's table with its URLs, unless it has some."""
    if "[project.urls]" in pyproject:
        return pyproject
    before, scripts, after = pyproject.partition("[project.scripts]\n")
    return f"{before}{URLS.format(repository=repository, tag=tag)}{scripts}{after}"


def main() -> None:
    """Change both files in the current folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", help="its URL, without a trailing slash")
    parser.add_argument("tag")
    args = parser.parse_args()
    for name, change in (("README.md", absolute), ("pyproject.toml", with_urls)):
        path = Path(name)
        text = path.read_text(encoding="utf-8")
        # Windows line endings would make the source distribution differ.
        path.write_text(change(text, args.repository, args.tag), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
