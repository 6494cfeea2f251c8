"""Handlers of requests about the certificate authority of a home."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.requests import certificates as requests
from auroractl.services.routing import certificates
from auroractl.supervisor.handlers.call import Call, Handler
from auroractl.supervisor.results import Document


def describe_ca(call: Call, _request: requests.DescribeCa) -> Document:
    """describe-ca."""
    return certificates.describe(call.runtime)


def rotate_ca(call: Call, request: requests.RotateCa) -> Document:
    """rotate-ca."""
    certificates.rotate(call.runtime, keep_previous=not request.discard_previous)
    return certificates.describe(call.runtime)


HANDLERS: Mapping[str, Handler] = {"describe-ca": describe_ca, "rotate-ca": rotate_ca}
