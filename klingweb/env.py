"""Typed readers for environment variables.

Each reader refuses a bad value with the variable's name, what it must be and an example. The value itself is never
repeated, because it may be a secret. Nothing here imports Django, so that settings can be read before it is set up.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

PREFIX = "KLINGWEB_"

T = TypeVar("T")


class EnvError(Exception):
    """A variable is missing or cannot be read. The text is a sentence for the person who set it."""


@dataclass(frozen=True)
class Mail:
    """How mail leaves. `host` is empty when there is no mail server."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ssl: bool = False
    sender: str = "klingweb@localhost"


@dataclass(frozen=True)
class Env:
    """The variables that begin with KLINGWEB_, read by their name without it. `known` holds what was asked for."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    known: set[str] = field(default_factory=set)

    def text(self, name: str, default: str = "") -> str:
        """The value without surrounding space, or the default where it is unset or empty."""
        self.known.add(PREFIX + name)
        return self.environ.get(PREFIX + name, "").strip() or default

    def secret(self, name: str, file: Path | None = None) -> str:
        """A secret from NAME, from the file that NAME_FILE points at, or from `file` where it exists; else empty."""
        value, named = self.text(name), self.text(f"{name}_FILE")
        if value:
            return value
        if named:
            if value := self._read(f"{name}_FILE", Path(named)):
                return value
            raise EnvError(f"{PREFIX}{name}_FILE points at {named}, which is empty.")
        if file and file.exists():
            return self._read(name, file)
        return ""

    def names(self, name: str, default: str = "", secret_file: Path | None = None) -> list[str]:
        """A list separated by commas; empty parts are dropped."""
        value = self.secret(name, secret_file) if secret_file else self.text(name, default)
        return [part.strip() for part in value.split(",") if part.strip()]

    def integer(self, name: str, default: int, at_least: int = 0, at_most: int = 65535) -> int:
        """A whole number within its bounds."""

        def read(value: str) -> int:
            number = int(value)
            if not at_least <= number <= at_most:
                raise ValueError
            return number

        what = f"a whole number from {at_least} to {at_most}"
        return self._parse(name, default, read, what, str(default or at_least))

    def seconds(self, name: str, default: float) -> float:
        """A duration in seconds, more than zero."""
        return self._positive(name, default, "a number of seconds above zero")

    def factor(self, name: str, default: float) -> float:
        """A number to multiply by, more than zero."""
        return self._positive(name, default, "a number above zero")

    def choice(self, name: str, options: tuple[str, ...], file: Path | None = None) -> str:
        """One of the options, in lower case, from NAME or from `file` where it exists; the first is the default."""

        def read(value: str) -> str:
            if value.lower() not in options:
                raise ValueError
            return value.lower()

        value = self.text(name) or (self._read(name, file) if file and file.exists() else "")
        return self._parse(name, options[0], read, f"one of {', '.join(options)}", options[0], value)

    def origin(self, name: str, default: str) -> str:
        """An http or https origin, without a path and without a slash at its end."""

        def read(value: str) -> str:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
                raise ValueError
            return f"{parts.scheme}://{parts.netloc}"

        return self._parse(name, default, read, "an address without a path", "https://pictures.example.com")

    def host_ports(self, name: str) -> frozenset[str]:
        """A set of `host:port` pairs in lower case."""

        def read(value: str) -> frozenset[str]:
            pairs = [part.strip().lower() for part in value.split(",") if part.strip()]
            if not all(re.fullmatch(r"(\[[0-9a-f:]+\]|[^\s:/@]+):\d{1,5}", pair) for pair in pairs):
                raise ValueError
            return frozenset(pairs)

        return self._parse(name, frozenset(), read, "host:port pairs separated by commas", "relay.internal:8443")

    def database_url(self, name: str, default: str) -> str:
        """A database address that Django can use: postgres:// or sqlite:///."""

        def read(value: str) -> str:
            if not value.startswith(("postgres://", "postgresql://", "sqlite:///")):
                raise ValueError
            return value

        example = "postgres://user:password@localhost:5432/klingweb"
        return self._parse(name, default, read, "a database address", example, self.secret(name))

    def redis_url(self, name: str) -> str:
        """A Redis address, or empty."""

        def read(value: str) -> str:
            if not value.startswith(("redis://", "rediss://", "unix://")):
                raise ValueError
            return value

        return self._parse(name, "", read, "a Redis address", "redis://localhost:6379/0", self.secret(name))

    def mail(self, name: str) -> Mail:
        """`smtp://user:password@host:587?tls=1&from=…`, `smtps://` for TLS from the first byte; empty for no mail."""

        def read(value: str) -> Mail:
            parts = urlsplit(value)
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
                raise ValueError
            options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            ssl = parts.scheme == "smtps"
            return Mail(
                host=parts.hostname,
                port=parts.port or (465 if ssl else 587),
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                tls=options.get("tls", "") == "1",
                ssl=ssl,
                sender=options.get("from", f"klingweb@{parts.hostname}"),
            )

        example = "smtp://user:password@mail.example.com:587?tls=1&from=pictures@example.com"
        return self._parse(name, Mail(), read, "a mail address of the form smtp://…", example, self.secret(name))

    def _positive(self, name: str, default: float, what: str) -> float:
        def read(value: str) -> float:
            number = float(value)
            if not 0 < number < float("inf"):
                raise ValueError
            return number

        return self._parse(name, default, read, what, f"{default:g}")

    def _parse(
        self, name: str, default: T, read: Callable[[str], T], what: str, example: str, value: str | None = None
    ) -> T:
        if value is None:
            value = self.text(name)
        if not value:
            return default
        try:
            return read(value)
        except ValueError:
            raise EnvError(f"{PREFIX}{name} must be {what}, for example {PREFIX}{name}={example}") from None

    def _read(self, name: str, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise EnvError(f"{PREFIX}{name} points at {file}, which cannot be read: {error.strerror}.") from None
