"""The recipe for a local CloudWatch has an anchor, and its commands work with both versions of the AWS CLI."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_recipe_has_an_anchor_that_other_pages_link_to() -> None:
    assert "\n### Run MiniStack yourself\n" in (DOCS / "usage.md").read_text()
    for page in (DOCS / "distributed.md", DOCS / "troubleshooting.md", DOCS.parent / "README.md"):
        assert "usage.md#run-ministack-yourself" in page.read_text()


def test_a_region_is_set_for_version_1_of_the_aws_cli_too() -> None:
    """It does not read AWS_REGION."""
    for page in (*DOCS.glob("*.md"), *DOCS.parent.glob("README*.md")):
        for block in re.findall(r"(?:^    .*\n)+", page.read_text(), re.MULTILINE):
            if "AWS_REGION=" in block and "AWS_ACCESS_KEY_ID=x" in block:
                assert "AWS_DEFAULT_REGION=" in block, (page, block)
            for command in re.findall(r"^    AWS_.*\\\n +aws .*$", block, re.MULTILINE):
                assert "AWS_DEFAULT_REGION=" in command, page
