"""The check of TLS on a real TLS server: a good one passes, one whose certificate ends or that forgets HSTS does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from namaskah.baseline.checks.bed import Bed
from namaskah.baseline.checks.catalogue import CHECKS, Result, run
from namaskah.baseline.target import Unreachable, target_of
from tests.baseline.broken import HEADER, Fault, Running
from tests.baseline.certificate import write_certificate
from tests.baseline.conftest import VISITOR, Instance, make_key
from tests.baseline.faults import without

SLUGS = ("tls-is-up-to-date", "session-cookies-are-guarded")
FAULTS = {
    "no-hsts": Fault("", without("strict-transport-security")),
    "no-secure": Fault(
        "",
        lambda exchange: exchange.headers.update({"set-cookie": exchange.headers.get("set-cookie", "").replace("; Secure", "")}),
    ),
}


@contextmanager
def serving(database_url: str, certificate: Path) -> Iterator[str]:
    with Running(database_url, FAULTS, certificate=certificate) as running:
        yield running.url


async def results(instance: Instance, *slugs: str, fault: str = "") -> list[Result]:
    bed = Bed(target_of(instance.url, instance.key), visitor=VISITOR, always={HEADER: fault})
    return await run(bed, [check for check in CHECKS if check.slug in slugs])


async def test_https_with_a_good_certificate_passes_and_its_faults_are_seen(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    good = write_certificate(tmp_path / "good.pem", days=90)
    key = await make_key(database_url)
    with serving(database_url, good) as url:
        instance = Instance(url, key)
        with pytest.raises(Unreachable, match="certificate is not valid"):
            await results(instance, *SLUGS)
        monkeypatch.setenv("SSL_CERT_FILE", str(good))
        assert [(result.outcome, result.words) for result in await results(instance, *SLUGS)] == [("passed", "")] * 2
        [hsts] = await results(instance, SLUGS[0], fault="no-hsts")
        assert "no Strict-Transport-Security" in hsts.words
        [cookie] = await results(instance, SLUGS[1], fault="no-secure")
        assert "is not Secure" in cookie.words
    ending = write_certificate(tmp_path / "ending.pem", days=5.5)
    monkeypatch.setenv("SSL_CERT_FILE", str(ending))
    with serving(database_url, ending) as url:
        [short] = await results(Instance(url, key), SLUGS[0])
        assert short.words == "the certificate ends in 5 days"
