"""Where the tests find the files of this repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
LOCUSTFILES = TESTS / "locustfiles"
SCRIPTS = TESTS / "scripts"
SUPPORT = TESTS / "support"
EXAMPLES = ROOT / "examples"
PACKAGE = ROOT / "python"
