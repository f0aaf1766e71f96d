"""Parameter values as a manifest writes them, for messages."""


def as_written(value: object) -> str:
    """Return a value as YAML has it: `true` for True.

    >>> as_written(True), as_written(5), as_written("pro")
    ('true', '5', 'pro')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
