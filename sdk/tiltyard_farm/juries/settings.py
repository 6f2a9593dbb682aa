"""What stands in the farm's [jury]."""

UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds(settings, name, default):
    """A time as the farm's file writes them: 10, "10s", "500ms", "2m". ValueError for anything else."""
    value = settings.get(name)
    if value in (None, ""):
        return default
    if isinstance(value, str):
        number = value.rstrip("abcdefghijklmnopqrstuvwxyz")
        return float(number) * UNITS[value[len(number):] or "s"]
    return float(value)
