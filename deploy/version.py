"""Which metricgrid this is."""

from importlib.metadata import PackageNotFoundError, version


def product_version() -> str:
    """Of the installed package; 'unknown' when it runs from a bare source tree."""
    try:
        return version("metricgrid")
    except PackageNotFoundError:
        return "unknown"
