"""Every setting, read once from the environment (or an --env-file) at the edge and passed down.

No secret has a default. The embedded default writes a secret key once into its data folder; production refuses to start
without its own, and refuses weak ones. `.env.example` documents each name.
"""

import contextlib
import os
import re
import secrets
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from namaskah.core.metrics_readers import allowed_networks

Environment = Literal["development", "staging", "production", "test"]
_DSN = re.compile(r"(?:https?://[^\s@/]+@[^\s@]+/\w+)?")
_WEAK = frozenset({"changeme", "secret", "password", "namaskah", "default"})


class SettingsInvalid(Exception):
    """The settings do not allow a safe start; the message says which and why, never their values."""


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    environment: Environment = "production"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    web_workers: Annotated[int, Field(ge=1, le=64, alias="WEB_WORKERS")] = 1
    run_worker: Annotated[bool, Field(alias="NAMASKAH_RUN_WORKER")] = True
    public_url: str = "http://127.0.0.1:8000"
    trusted_proxies: Annotated[str, Field(alias="FORWARDED_ALLOW_IPS")] = ""
    not_ready_seconds: Annotated[float | None, Field(ge=0, le=20)] = None

    database_url: SecretStr | None = None
    pool_size: Annotated[int, Field(ge=2, le=200, alias="DATABASE_POOL_SIZE")] = 12
    data_dir: Annotated[Path, Field(alias="NAMASKAH_DATA_DIR")] = Path(".data")
    secret_key: Annotated[SecretStr | None, Field(alias="NAMASKAH_SECRET_KEY")] = None

    verification_minutes: Annotated[float, Field(ge=0.1, le=60)] = 20
    inventory_cooldown_seconds: Annotated[int, Field(ge=0, le=86400)] = 60
    message_retention_days: Annotated[int, Field(ge=1, le=90)] = 7
    number_mask_days: Annotated[int, Field(ge=1, le=365)] = 30
    idempotency_days: Annotated[int, Field(ge=1, le=365)] = 30
    session_days: Annotated[int, Field(ge=1, le=365)] = 30
    body_limit_bytes: Annotated[int, Field(ge=1024, le=1_048_576)] = 65_536
    requests_per_minute: Annotated[int, Field(ge=1)] = 6_000

    redis_url: SecretStr | None = None
    redis_host: str | None = None
    redis_port: Annotated[int, Field(ge=1, le=65535)] = 6379

    sentry_dsn: SecretStr | None = None
    otel_endpoint: Annotated[str | None, Field(alias="OTEL_EXPORTER_OTLP_ENDPOINT")] = None
    traces_sample_rate: Annotated[float, Field(ge=0, le=1)] = 0.1
    trace_debug_token: SecretStr | None = None
    release: str | None = None
    metrics_allow: str = "127.0.0.1,::1"
    metrics_port: Annotated[int | None, Field(ge=1, le=65535)] = None
    slow_request_seconds: Annotated[float, Field(gt=0)] = 1.0
    slow_statement_seconds: Annotated[float, Field(gt=0)] = 0.05

    log_format: Literal["json", "pretty"] = "json"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @cached_property
    def key_bytes(self) -> bytes:
        """The secret key, generated once into the data folder where the platform owns its database."""
        if self.secret_key is not None:
            return bytes.fromhex(self.secret_key.get_secret_value())
        return _generated_key(self.data_dir / "secret.key")

    @property
    def redis(self) -> str | None:
        """Where the shared cache is; None when there is none."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value() or None
        return f"redis://{self.redis_host}:{self.redis_port}/0" if self.redis_host else None

    @model_validator(mode="after")
    def refuse_addresses_that_are_none(self) -> Self:
        """A report or a trace that goes nowhere would only be missed when it is needed. Empty means none."""
        if self.sentry_dsn is not None and not _DSN.fullmatch(self.sentry_dsn.get_secret_value()):
            raise ValueError("SENTRY_DSN must look like https://key@host/project")
        if self.otel_endpoint and not re.match(r"https?://[^\s/]", self.otel_endpoint):
            raise ValueError("OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https://")
        return self

    @model_validator(mode="after")
    def refuse_unsafe(self) -> Self:
        """A key must be 32 bytes in hex; where the database is not our own embedded one it must be given."""
        if self.secret_key is not None:
            text = self.secret_key.get_secret_value()
            if text.lower() in _WEAK or len(set(text)) < 8:
                raise ValueError("NAMASKAH_SECRET_KEY is weak: make one with `openssl rand -hex 32`")
            try:
                if len(bytes.fromhex(text)) < 32:
                    raise ValueError
            except ValueError:
                raise ValueError("NAMASKAH_SECRET_KEY must be 32 bytes in hex: `openssl rand -hex 32`") from None
        try:
            allowed_networks(self.metrics_allow)
        except ValueError as error:
            raise ValueError(f"METRICS_ALLOW must be addresses or networks with commas between: {error}") from None
        if self.idempotency_days > self.number_mask_days:
            raise ValueError("IDEMPOTENCY_DAYS must not exceed NUMBER_MASK_DAYS: the stored answers hold numbers")
        if self.secret_key is None and self.database_url is not None and self.environment in ("production", "staging"):
            raise ValueError("NAMASKAH_SECRET_KEY is needed with DATABASE_URL: message texts are encrypted with it")
        return self


def _generated_key(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written whole under another name first: of two processes that start at once, one's key is put in place and read
        # by both, and none ever reads half of one.
        begun = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(begun, path)
        begun.unlink()
    return bytes.fromhex(path.read_text().strip())


def load_settings(env_file: str | None = None) -> Settings:
    """Reads the settings. Raises SettingsInvalid with the names and reasons, never with values."""
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg']}" for item in error.errors()]
        raise SettingsInvalid("; ".join(reasons)) from None
