"""Secrets at rest: a model field whose value is encrypted in the database, and nowhere else stored in the clear.

The first of `settings.ENCRYPTION_KEYS` encrypts, all of them decrypt. A value that none of them opens raises; it is
never handed on as it stands.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models


class Undecryptable(Exception):
    """A stored secret opens with none of the keys."""


class Secrets(Mapping[str, str]):
    """Secret values by name, opened when one of them is first read. Neither repr nor str shows them."""

    def __init__(self, values: Mapping[str, str] | None = None, token: str = "") -> None:
        self._values, self._token = values, token

    def __getitem__(self, name: str) -> str:
        return self._open()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open())

    def __len__(self) -> int:
        return len(self._open())

    def __repr__(self) -> str:
        return "<secrets>"

    def _open(self) -> Mapping[str, str]:
        if self._values is None:
            self._values = json.loads(decrypt(self._token)) if self._token else {}
        return self._values


def encrypt(text: str) -> str:
    """The text as a Fernet token under the first key."""
    return _keys().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text of a token. Raises Undecryptable."""
    try:
        return _keys().decrypt(token.encode()).decode()
    except InvalidToken:
        raise Undecryptable("A stored secret opens with none of KLINGWEB_ENCRYPTION_KEYS.") from None


class SecretsField(models.TextField[Mapping[str, str], Secrets]):
    """Secret values by name, stored as one token. It can be neither searched nor ordered by."""

    def from_db_value(self, value: str | None, _expression: object, _connection: object) -> Secrets:
        return Secrets(token=value or "")

    def to_python(self, value: Any) -> Secrets:
        if isinstance(value, Secrets):
            return value
        return Secrets(token=value) if isinstance(value, str) else Secrets(value or {})

    def get_prep_value(self, value: Any) -> str:
        return encrypt(json.dumps(dict(value or {})))

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj))

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError("Secrets are encrypted: they cannot be looked up.")


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
