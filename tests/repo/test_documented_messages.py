"""Each message to users has an entry in docs/troubleshooting.md, and each entry is about an existing message."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from support.pages import DOCS
from support.paths import ROOT

VARYING = "…"

NO_MESSAGES = {
    "Record a finished request.": "the docstring of the listener",
    "tcp connect error:": "the SDK's, to be left out of messages",
    "client error (Connect):": "the same",
    "client error (SendRequest):": "the same",
    "request has timed out:": "the same",
    "…... (… bytes more)": "the end of a text that was cut",
    "(… that has no text)": "in place of an exception's text, in the log",
    "… … …": "the parts of the receipt's or the status's line",
    "… … … in … ms": "a call, at DEBUG",
    "of the credentials": "what a call was about",
    "an endpoint is not an http:// or https:// URL, or contains a space or a line break": "a reason",
    "HTTP ……, …": "what is wrong with a response, in the same message",
    "the credential_process of profile …": "what a message is about",
    "the credentials provider": "the same",
    "an error occurred while loading credentials:": "of the SDK's, to be left out",
    "the credentials provider was not properly configured:": "the same",
    "unexpected credentials error:": "the same",
    "the credential provider was not enabled:": "the same",
    "PutMetricData: CloudWatch accepted": "a call, at DEBUG",
    "PutLogEvents: CloudWatch Logs accepted": "the same",
    "CreateLogStream: log group … has stream …": "the same",
    "its result was taken before": "a mistake of our own, never a user's",
    "not a status report of this version of locust-cw: …": "at DEBUG; the warning has an entry",
    "… is not a number of seconds from 0 to the year 9999": "the reason in it",
    "not the result of a check: …": "the reason why a record cannot be read, which has an entry",
    "not a time of a run: …": "the same",
    "a list of text": "the type that an option needs, in a message",
    "a whole number": "the same",
    "request name with values": "the topic of a message",
    "there is no such operation": "the same",
    "locust-cw: error: …": "how each message of the command begins",
    "module … has no attribute …": "as Python itself says it",
    "locust: error: …": "how each message of an option begins",
    "KIND:ID, where KIND is one of …": "the end of a message",
    "…, p99 or similar": "the same",
    "p95 < 300ms": "an example in messages",
    "… percentage points": "a tolerance, in a reason",
    "abort after 30s": "an example in messages",
    "abort after …s": "a part of a check",
    "a histogram of response times": "what an increment or a summary that cannot be read should have",
    "a time block": "the same",
    "counts of buckets": "the same",
    "not a summary of this version of locust-cw: …": "the reason why a record cannot be read, which has an entry",
    "a worker sends statistics in format …, but this process reads format …: install the same version of locust-cw on "
    "all machines": "the reason in a warning of the master, which has an entry",
    "it has format …, but this process reads format …: install the same version of locust-cw on all machines": (
        "the end of the message about a worker's custom metrics"
    ),
    "it has … bytes: the maximum is …": "the same",
    "a worker sent statistics number … before earlier ones": "the same",
    "a worker sent statistics of … bytes: the maximum is …": "the same",
    "gauge and count": "the topic of a message",
    "text or a number": "the type of an argument, in a message",
    "the dimension … of …": "the same",
    "the name of a dimension": "the same",
    "the name of a metric": "the same",
    "the text of a mark": "the same",
    "the unit of …": "the same",
    "the value of …": "the same",
    "not a time in ISO 8601": "in the result of a check that another program wrote",
}
"""Texts in the sources that look like messages, and what they are."""

SINKS = {"_invalid", "critical", "error", "exception", "exit_with", "log", "print_error", "end_with", "warning"}
"""Functions whose arguments people read. So are an exception's, a receipt's remarks, notes, and what goes to stderr."""

REASONS = {
    "_completeness",
    "_differences",
    "_end",
    "_from_receipt",
    "_not_found",
    "_overlap_notes",
    "_reason",
    "_undelivered",
    "_why_incomplete",
    "_why_no_data",
    "_why_no_statistic",
    "_why_not",
    "_without_identity",
    "generator_notes",
    "load_notes",
    "next_message",
    "problem_with",
}
"""Functions that return what people read."""


def template_of(node: ast.expr) -> str:
    """A text in Python, with `…` for its variable parts."""
    match node:
        case ast.Constant(value=str(text)):
            return re.sub(r"%[sdr]", VARYING, text).strip()
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else VARYING for part in parts).strip()
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return f"{template_of(left)}{template_of(right)}"
        case _:
            return VARYING


def message_arguments(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that are shown to users."""
    function = ast.unparse(call.func)
    name = function.rpartition(".")[2]
    if name in SINKS or name.endswith("Error") or function.endswith(("notes.append", "remarks.append", "stderr.write")):
        yield from call.args
    elif name == "Check" and len(call.args) > 2 and ast.unparse(call.args[1]) == "'failed'":
        # What doctor found; its remedy stands beside it.
        yield call.args[2]


def is_message(text: str) -> bool:
    """Whether a text has words besides its variable parts."""
    return len(text.replace(VARYING, " ").split()) >= 2


def python_messages() -> Iterator[str]:
    for path in (ROOT / "python").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield from map(template_of, message_arguments(node))
            elif isinstance(node, ast.AugAssign) and ast.unparse(node.target).endswith("remarks"):
                yield from (template_of(each) for each in ast.walk(node.value) if isinstance(each, ast.JoinedStr))
            elif isinstance(node, ast.FunctionDef) and node.name in REASONS:
                # Its docstring is none of them.
                texts = (each for part in node.body[1:] for each in ast.walk(part))
                yield from (template_of(each) for each in texts if isinstance(each, ast.JoinedStr))


def python_texts() -> Iterator[str]:
    for path in (ROOT / "python").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.expr):
                yield template_of(node)


def rust_messages() -> Iterator[str]:
    """Every text of three or more words outside of tests, comments and attributes that are not messages."""
    for path in (ROOT / "src").rglob("*.rs"):
        if path.name == "tests.rs":
            continue
        # At the start of a line: a method can be for tests only, too.
        source = path.read_text().split("\n#[cfg(test)]")[0]
        source = re.sub(r"^\s*//.*$", "", source, flags=re.MULTILINE)
        # A quotation mark may also be a character, or stand in a raw string, which without a space is no message.
        source = re.sub(r"""'"'|\bb?r(#*)"[^ ]*?"\1""", "", source)
        source = re.sub(r"#!?\[(?:expect|allow)\(.*?\)\]", "", source, flags=re.DOTALL)
        for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', source, re.DOTALL):
            text = re.sub(r"\\\n\s*", "", literal).replace('\\"', '"')
            text = re.sub(r"\{[^{}]*\}", VARYING, text).strip()
            if text.count(" ") >= 2:
                yield text


def entries() -> list[str]:
    """The first column of all tables, except for the last table, which is about problems without a message."""
    page = (DOCS / "troubleshooting.md").read_text().split("\n## Problems without a message")[0]
    return [found.strip() for found in re.findall(r"^\| `(.+?)` \|", page, re.MULTILINE)]


def answers(entry: str, message: str) -> bool:
    """Whether an entry is about a message: the message contains it, and enough of its constant text."""
    core = entry.strip(f"{VARYING} .")
    # A few words may stand in any message.
    return core in message and (len(core) >= 25 or len(core) >= 0.3 * len(message))


def test_every_message_has_an_entry() -> None:
    """A new message needs an entry with its meaning and solution."""
    messages = {text for text in {*python_messages(), *rust_messages()} if is_message(text)} - set(NO_MESSAGES)
    assert len(messages) > 80
    known = entries()
    unanswered = sorted(text for text in messages if not any(answers(entry, text) for entry in known))
    assert unanswered == [], "docs/troubleshooting.md has no entry for these"


def test_every_entry_is_about_an_existing_message() -> None:
    """Entries of removed messages must be removed."""
    texts = {*python_texts(), *rust_messages()}
    stale = [entry for entry in entries() if not any(answers(entry, text) for text in texts)]
    assert stale == []
    assert len(entries()) == len(set(entries())), "an entry stands there twice"


def test_the_exceptions_are_still_needed() -> None:
    texts = {*python_messages(), *rust_messages()}
    assert sorted(set(NO_MESSAGES) - texts) == []
