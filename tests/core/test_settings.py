"""Settings: what is unsafe is refused, in words that never hold a value."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from namaskah.core.settings import Settings, SettingsInvalid, load_settings

GOOD = "8f3a1c5d7e9b2046a8c1e3f5d7b90246135791b3d5f7a9c0e2468ace13579bdf"
NAMES = ("NAMASKAH_SECRET_KEY", "DATABASE_URL", "ENVIRONMENT", "PORT", "NAMASKAH_DATA_DIR", "LOG_LEVEL", "WEB_WORKERS")


@pytest.fixture(autouse=True)
def no_settings_of_ours(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "key",
    ["", "changeme", "SECRET", "password", "namaskah", "0" * 64, "01" * 32, "0123456" * 10, GOOD[:62], GOOD[:-1], GOOD + "x", "zz" * 32,
     "a" * 64, "not a key but rather long, " * 3],
)  # fmt: skip
def test_a_weak_or_malformed_key_is_refused_without_showing_it(monkeypatch, key):
    set_all(monkeypatch, NAMASKAH_SECRET_KEY=key)
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings()
    assert "NAMASKAH_SECRET_KEY" in str(refusal.value)
    assert not key or key not in str(refusal.value).replace("NAMASKAH_SECRET_KEY", "")
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_with_a_database_of_ones_own_the_key_must_be_given(monkeypatch, environment):
    set_all(monkeypatch, DATABASE_URL="postgresql://u:hidden-password@db/n", ENVIRONMENT=environment)
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings()
    assert "NAMASKAH_SECRET_KEY is needed" in str(refusal.value)
    assert "hidden-password" not in str(refusal.value)
    set_all(monkeypatch, NAMASKAH_SECRET_KEY=GOOD)
    assert load_settings().key_bytes == bytes.fromhex(GOOD)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "70000"), ("PORT", "-1"), ("PORT", "eighty"), ("ENVIRONMENT", "prod"), ("WEB_WORKERS", "0"), ("LOG_LEVEL", "LOUD")],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(monkeypatch, name, value):
    set_all(monkeypatch, **{name: value})
    with pytest.raises(SettingsInvalid) as refusal:
        load_settings()
    assert name.lower() in str(refusal.value).lower()
    assert value not in str(refusal.value).replace("'", "").split()


def test_secrets_are_not_shown_when_settings_are_printed(monkeypatch):
    set_all(monkeypatch, NAMASKAH_SECRET_KEY=GOOD, DATABASE_URL="postgresql://u:hidden-password@db/n")
    settings = load_settings()
    shown = f"{settings!r} {settings} {settings.model_dump()}"
    assert GOOD not in shown
    assert "hidden-password" not in shown


def test_settings_cannot_be_changed_once_read():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    settings = Settings(data_dir=tmp_path / "new" / "data")
    key = settings.key_bytes
    assert len(key) == 32
    assert Settings(data_dir=tmp_path / "new" / "data").key_bytes == key
    (path,) = (tmp_path / "new" / "data").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_have_the_same_key(tmp_path: Path):
    program = "import sys; from namaskah.core.settings import Settings; print(Settings(data_dir=sys.argv[1]).key_bytes.hex())"

    def start(_number: int) -> str:
        return subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(6) as pool:
        keys = set(pool.map(start, range(6)))
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENTRY_DSN", "sentry.example.com"), ("SENTRY_DSN", "https://sentry.example.com/1"), ("SENTRY_DSN", "https://s3cret@example.com"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"),
    ],
)  # fmt: skip
def test_an_address_to_which_nothing_could_be_reported_is_refused(monkeypatch, name, value):
    set_all(monkeypatch, **{name: value})
    with pytest.raises(SettingsInvalid, match=name) as refusal:
        load_settings()
    assert value not in str(refusal.value)


@pytest.mark.parametrize("dsn", ["", "https://s3cret@sentry.example.com/42", "http://s3cret@127.0.0.1:8000/path/1"])
def test_a_dsn_or_none_is_taken(monkeypatch, dsn):
    set_all(monkeypatch, SENTRY_DSN=dsn, OTEL_EXPORTER_OTLP_ENDPOINT="")
    taken = load_settings().sentry_dsn
    assert taken is not None and taken.get_secret_value() == dsn
