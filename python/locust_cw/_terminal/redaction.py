"""Redaction of messages: keys, tokens, signatures, account numbers, and passwords in URLs."""

from __future__ import annotations

import re

_REPLACEMENTS = (
    # Tokens and signatures in headers, signed URLs, settings and JSON.
    (
        re.compile(
            r"""((?:x-amz-(?:security-token|signature|credential)|\b(?:signature|credential)(?==)"""
            r"""|(?:session|security)[-_]?token|secret[-_]?(?:access[-_]?)?key)["']?\s*[:=]\s*["']?)[^\s&"',;<>]+""",
            re.IGNORECASE,
        ),
        r"\1...",
    ),
    (re.compile(r"\b(A[KS]IA)[A-Z0-9]{12,}"), r"\1..."),  # access keys
    (re.compile(r"(?<!\d)\d{12}(?!\d)"), "..."),  # account numbers
    (re.compile(r"(://)[^/\s]*@"), r"\1"),  # user and password of a URL, either of which may have an @
)


def redact(text: str) -> str:
    """The text with dots in place of secrets, and with URLs without user and password."""
    for secret, replacement in _REPLACEMENTS:
        text = secret.sub(replacement, text)
    return text
