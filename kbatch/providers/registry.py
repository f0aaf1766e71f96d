"""Every provider by its name; a new one is a module that translates and a line here."""

from collections.abc import Mapping
from types import MappingProxyType

from kbatch.providers.aimlapi import AIMLAPI
from kbatch.providers.apiframe import APIFRAME
from kbatch.providers.base import Provider

PROVIDERS: Mapping[str, Provider] = MappingProxyType({"apiframe": APIFRAME, "aimlapi": AIMLAPI})
