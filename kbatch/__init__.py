"""kbatch renders video campaigns from a YAML manifest on paid APIs, and never pays twice."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("kbatch")
except PackageNotFoundError:
    __version__ = "0+unknown"
