"""Fixtures of the integration tests: the app over moto or a scripted S3."""

from tests.support.moto import _moto, moto_server

__all__ = ["_moto", "moto_server"]
