"""The pages of the documentation."""

from support.paths import ROOT

DOCS = ROOT / "docs"
README, IN_KOREAN = ROOT / "README.md", ROOT / "README.ko.md"
PAGES = [README, IN_KOREAN, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(DOCS.glob("*.md"))]
LINKED_PAGES = [*PAGES, ROOT / "CHANGELOG.md", *sorted((DOCS / "decisions").glob("*.md"))]
"""Pages whose links and paths are checked. The commands of the last ones are not run."""
