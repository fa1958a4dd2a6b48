"""The shop's port: switches and metrics of the service on their paths, the shop's pages on all others."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from workload.shop.web import CONTROL, Switch


class Named:
    """A WSGI application that answers with its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        del environ
        start_response("200 OK", [])
        return [self._name.encode()]


def answer(path: str) -> bytes:
    def start(status: str, headers: list[tuple[str, str]], error: object = None) -> object:
        del status, headers, error
        return None

    return b"".join(Switch(Named("control"), Named("shop"))({"PATH_INFO": path}, start))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", sorted(CONTROL))
def test_the_switches_of_every_service_are_on_their_paths(path: str) -> None:
    assert answer(path) == b"control"


@pytest.mark.parametrize("path", ["/", "/cart", "/metrics/", "/load2", "/products/1", "/healthz/x"])
def test_every_other_path_is_the_shops(path: str) -> None:
    assert answer(path) == b"shop"
