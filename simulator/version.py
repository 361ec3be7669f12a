"""The version of the product; results name it, so it stands below every room."""

__version__ = "0.1.0"
