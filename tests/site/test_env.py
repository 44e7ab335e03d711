"""The readers of variables: what they take, and how they refuse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from klingweb.env import Env, EnvError, Mail

BAD: list[tuple[str, Callable[[Env], object], str]] = [
    ("PORT", lambda env: env.integer("PORT", 8000, at_least=1), "hunter2"),
    ("PORT", lambda env: env.integer("PORT", 8000, at_least=1), "70001"),
    ("SILENCE", lambda env: env.seconds("SILENCE", 150), "-17.5"),
    ("SILENCE", lambda env: env.seconds("SILENCE", 150), "inf"),
    ("PACE", lambda env: env.factor("PACE", 1), "0.0"),
    ("SANDBOX", lambda env: env.choice("SANDBOX", ("off", "on")), "perhaps"),
    ("PUBLIC_URL", lambda env: env.origin("PUBLIC_URL", ""), "studio.example"),
    ("PUBLIC_URL", lambda env: env.origin("PUBLIC_URL", ""), "https://example.com/below"),
    ("HOSTS", lambda env: env.host_ports("HOSTS"), "no-port-here"),
    ("DATABASE_URL", lambda env: env.database_url("DATABASE_URL", ""), "mysql://root:hunter2@localhost"),
    ("REDIS_URL", lambda env: env.redis_url("REDIS_URL"), "http://:hunter2@localhost"),
    ("EMAIL_URL", lambda env: env.mail("EMAIL_URL"), "smtp:hunter2"),
    ("EMAIL_URL", lambda env: env.mail("EMAIL_URL"), "smtp://mail.example.com:hunter2"),
]


def env(**values: str) -> Env:
    return Env({f"KLINGWEB_{name}": value for name, value in values.items()})


@pytest.mark.parametrize(("name", "read", "value"), BAD)
def test_a_bad_value_is_refused_by_name_with_an_example_and_never_repeated(
    name: str, read: Callable[[Env], object], value: str
) -> None:
    with pytest.raises(EnvError) as refusal:
        read(env(**{name: value}))
    assert f"for example KLINGWEB_{name}=" in str(refusal.value)
    assert value not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_an_unset_or_empty_variable_is_its_default() -> None:
    for each in (env(), env(NAME="  ")):
        assert each.text("NAME", "default") == "default"
        assert each.integer("NAME", 7) == 7
        assert each.seconds("NAME", 1.5) == 1.5
        assert each.factor("NAME", 1.5) == 1.5
        assert each.choice("NAME", ("off", "on")) == "off"
        assert each.origin("NAME", "http://127.0.0.1:8000") == "http://127.0.0.1:8000"
        assert each.host_ports("NAME") == frozenset()
        assert each.database_url("NAME", "sqlite:///x") == "sqlite:///x"
        assert each.redis_url("NAME") == ""
        assert each.mail("NAME") == Mail()
        assert each.names("NAME") == []


def test_values_are_read_as_what_they_mean() -> None:
    assert env(NAME=" 9 ").integer("NAME", 7) == 9
    assert env(NAME="0.5").seconds("NAME", 7) == 0.5
    assert env(NAME="ON").choice("NAME", ("off", "on")) == "on"
    assert env(NAME="https://example.com/").origin("NAME", "") == "https://example.com"
    assert env(NAME="A.example:1, [::1]:443").host_ports("NAME") == {"a.example:1", "[::1]:443"}
    assert env(NAME="postgres://localhost/klingweb").database_url("NAME", "") == "postgres://localhost/klingweb"
    assert env(NAME="unix:///run/redis").redis_url("NAME") == "unix:///run/redis"
    assert env(NAME="a, b,,").names("NAME") == ["a", "b"]


def test_mail_addresses_say_all_that_a_mail_server_needs() -> None:
    plain = env(NAME="smtp://u%40x:p%2Fw@mail.example.com:587?tls=1&from=a@example.com").mail("NAME")
    assert plain == Mail("mail.example.com", 587, "u@x", "p/w", tls=True, ssl=False, sender="a@example.com")
    assert "p/w" not in repr(plain)
    assert env(NAME="smtps://mail.example.com").mail("NAME").port == 465
    assert env(NAME="smtp://mail.example.com").mail("NAME").sender == "klingweb@mail.example.com"


def test_a_secret_may_be_in_a_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from file\n")
    assert env(NAME_FILE=str(file)).secret("NAME") == "from file"
    assert env(NAME="direct", NAME_FILE=str(file)).secret("NAME") == "direct"


def test_database_redis_and_mail_addresses_may_be_in_a_file_because_they_hold_passwords(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("postgres://u:p@localhost/k")
    assert env(NAME_FILE=str(file)).database_url("NAME", "") == "postgres://u:p@localhost/k"
    file.write_text("redis://:p@localhost/0")
    assert env(NAME_FILE=str(file)).redis_url("NAME") == "redis://:p@localhost/0"
    file.write_text("smtp://u:p@mail.example.com")
    assert env(NAME_FILE=str(file)).mail("NAME").password == "p"


def test_a_named_file_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match=r"KLINGWEB_NAME_FILE points at .*secret, which cannot be read: No such file"):
        env(NAME_FILE=str(tmp_path / "secret")).secret("NAME")
    (tmp_path / "secret").touch()
    with pytest.raises(EnvError, match=r"KLINGWEB_NAME_FILE points at .*secret, which is empty"):
        env(NAME_FILE=str(tmp_path / "secret")).secret("NAME")


def test_a_file_of_the_installation_stands_in_for_an_empty_variable(tmp_path: Path) -> None:
    file = tmp_path / "kept"
    assert env().secret("NAME", file) == ""
    assert env().choice("SWITCH", ("off", "on"), file) == "off"
    file.write_text("on\n")
    assert env().secret("NAME", file) == "on"
    assert env().names("NAME", secret_file=file) == ["on"]
    assert env().choice("SWITCH", ("off", "on"), file) == "on"
    assert env(SWITCH="off").choice("SWITCH", ("off", "on"), file) == "off"


def test_the_reader_knows_what_it_was_asked_for_and_shows_no_value() -> None:
    reader = env(NAME="hunter2")
    reader.secret("NAME")
    reader.integer("PORT", 1)
    assert reader.known == {"KLINGWEB_NAME", "KLINGWEB_NAME_FILE", "KLINGWEB_PORT"}
    assert "hunter2" not in repr(reader)
