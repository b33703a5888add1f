"""What stands: money, ledger, queues, users, upstreams, certificate; each read from where it really is."""

import asyncio
import datetime
import ssl
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from namaskah.ops.figures import Figures, certificate_expiry
from namaskah.providers.base import ProviderError
from namaskah.providers.registry import Providers
from namaskah.providers.sandbox import Sandbox
from namaskah.wallet.check import check
from tests.factories import buy, customer, own_numbers
from tests.figures import value_of


class Upstream(Sandbox):
    """One that tells our balance, or is down."""

    def __init__(self, name: str, balance: int | ProviderError) -> None:
        super().__init__(name=name)
        self._balance = balance

    async def balance(self) -> int:
        if isinstance(self._balance, ProviderError):
            raise self._balance
        return self._balance


@pytest.fixture
def figures(database, tmp_path):
    return Figures(database, Providers(), data_dir=tmp_path, public_url="http://127.0.0.1:8000")


async def test_drift_in_the_ledger_is_told_and_stays_told_until_the_full_proof_is_clean(database, db, figures):
    await customer(database, balance="5.00")
    await db.execute("UPDATE wallets SET balance_micros = balance_micros + 250000 WHERE livemode AND balance_micros > 0")
    await check(database, full=True)
    await check(database, full=False)
    await figures.tell_due()
    assert value_of("namaskah_ledger_check_ok", kind="full") == 0
    assert value_of("namaskah_ledger_drift_usd") == pytest.approx(0.25)
    assert value_of("namaskah_ledger_check_timestamp_seconds", kind="full") > 1_700_000_000


async def test_money_of_customers_is_told_and_the_test_modes_is_not(database, figures):
    await own_numbers(database, 3)
    buyer = await customer(database, balance="5.00")
    await customer(database, livemode=False, balance="80.00")
    bought = msgspec.json.decode((await buy(database, buyer)).body)
    await figures.tell_due()
    assert value_of("namaskah_wallets_balance_usd") == pytest.approx(5)
    assert value_of("namaskah_wallets_held_usd") == pytest.approx(float(bought["price"]["amount"]))
    assert value_of("namaskah_users", state="active_1d") == 1
    assert value_of("namaskah_users", state="all") == 2


async def test_who_has_not_bought_for_a_month_is_churned_and_who_never_bought_is_not(database, db, figures):
    for days in (1, 20, 45, 70):
        who = await customer(database)
        await db.execute(
            "UPDATE wallets SET hour_started_at = now() - make_interval(days => $2) WHERE user_id = $1 AND livemode",
            who.user_id,
            days,
        )
    await customer(database)
    await figures.tell_due()
    assert {state: value_of("namaskah_users", state=state) for state in ("active_30d", "churned_30d")} == {
        "active_30d": 2,
        "churned_30d": 1,
    }


async def test_dead_and_overdue_jobs_and_unhandled_messages_are_told(database, db, figures):
    await db.execute("INSERT INTO jobs (kind, due_at) VALUES ('provider_cancel', now() - interval '90 seconds')")
    await db.execute("INSERT INTO jobs (kind, due_at, dead_at) VALUES ('provider_cancel', now() - interval '1 day', now())")
    await db.execute("INSERT INTO jobs (kind, due_at) VALUES ('provider_cancel', now() + interval '1 hour')")
    await db.execute(
        "INSERT INTO messages (id, origin, origin_message_id, number, sender, has_code, confidence, received_at, created_at)"
        " VALUES ('msg_1', 'x', '1', '+12025550100', 's', false, 0, now(), now() - interval '40 seconds')"
    )
    await figures.tell_due()
    assert value_of("namaskah_jobs_waiting", kind="provider_cancel") == 1
    assert value_of("namaskah_jobs_dead", kind="provider_cancel") == 1
    await db.execute("DELETE FROM jobs WHERE dead_at IS NOT NULL")
    await figures.tell_queues()
    assert value_of("namaskah_jobs_dead", kind="provider_cancel") == 0
    assert 90 <= value_of("namaskah_job_queue_age_seconds") < 150
    assert value_of("namaskah_messages_unhandled") == 1
    assert 40 <= value_of("namaskah_messages_unhandled_age_seconds") < 100


async def test_nothing_due_has_waited_no_time(database, db, figures):
    await db.execute("INSERT INTO jobs (kind, due_at) VALUES ('provider_cancel', now() + interval '1 minute')")
    await figures.tell_due()
    assert value_of("namaskah_job_queue_age_seconds") == 0


async def test_an_upstream_that_is_down_is_told_and_holds_up_no_other(database, tmp_path):
    providers = Providers([Upstream("closed", ProviderError("down")), Upstream("open", 12_500_000)])
    await Figures(database, providers, data_dir=tmp_path, public_url="").tell_due()
    assert value_of("namaskah_provider_up", provider="closed") == 0
    assert value_of("namaskah_provider_up", provider="open") == 1
    assert value_of("namaskah_provider_balance_usd", provider="open") == 12.5
    assert value_of("namaskah_provider_requests_total", provider="closed", operation="balance", outcome="down") >= 1


async def test_groups_come_again_only_when_their_time_has_come(database, db, figures):
    assert 0 < await figures.tell_due() <= 15
    await db.execute("DROP TABLE workers")
    assert 0 < await figures.tell_due() <= 15


def self_signed(folder: Path, ends: datetime.datetime) -> tuple[Path, Path]:
    """A certificate for localhost that ends then, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(ends - datetime.timedelta(days=90)).not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


async def test_the_end_of_a_certificate_is_read_even_when_it_has_ended(tmp_path):
    ends = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path, ends))

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await certificate_expiry("localhost", port) == ends.timestamp()
    with pytest.raises(OSError):
        await certificate_expiry("localhost", port)
