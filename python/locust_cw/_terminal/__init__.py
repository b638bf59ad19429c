"""Text for people: styles, progress, redaction."""
