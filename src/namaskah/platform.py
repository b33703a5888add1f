"""Everything a process works with, opened once and passed down: database, secrets, caches, upstreams."""

from dataclasses import dataclass
from functools import partial

from namaskah.accounts.keyring import KeyRing
from namaskah.catalog.prices import Catalogue
from namaskah.core.crypto import Vault
from namaskah.core.db import Database
from namaskah.core.events import Hub
from namaskah.core.hang import HangWatch
from namaskah.core.key_check import check_key
from namaskah.core.redis_store import RedisStore
from namaskah.core.settings import Settings
from namaskah.core.signals import Signals
from namaskah.core.statements import Statements
from namaskah.inbound.webhook import Secrets
from namaskah.ops.board import Board
from namaskah.ops.status import read_report
from namaskah.providers.registry import Providers


@dataclass(slots=True)
class Platform:
    """The parts of one running process."""

    settings: Settings
    db: Database
    signals: Signals
    vault: Vault
    hub: Hub
    keys: KeyRing
    catalogue: Catalogue
    providers: Providers
    inbound_secrets: Secrets
    # What the processes share beside the database; None where there is no Redis.
    store: RedisStore | None
    board: Board
    hang_watch: HangWatch

    @classmethod
    async def open(cls, settings: Settings, url: str, *, providers: Providers | None = None) -> "Platform":
        """Connects and starts listening. Raises DatabaseGone when there is no server to talk to, WrongSecretKey."""
        Statements.slow_seconds = settings.slow_statement_seconds
        db = await Database.open(url, max_size=settings.pool_size)
        signals = Signals(url)
        vault = Vault(settings.key_bytes)
        hub = Hub(db, signals)
        store = None if settings.redis is None else RedisStore(settings.redis)
        platform = cls(
            settings=settings, db=db, signals=signals, vault=vault, hub=hub, keys=KeyRing(db, signals),
            catalogue=Catalogue(db, signals, store), providers=providers or Providers(), inbound_secrets=Secrets(db, vault),
            store=store,
            board=Board(partial(read_report, db)),
            hang_watch=HangWatch(db, signals),
        )  # fmt: skip
        try:
            await check_key(db, vault)
        except BaseException:
            await db.close()
            raise
        await signals.start()
        if store is not None:
            store.start()
        hub.start()
        platform.hang_watch.start()
        await platform.keys.start()
        return platform

    async def close(self) -> None:
        """Ends everything that was opened, the database last."""
        await self.hang_watch.stop()
        await self.hub.stop()
        await self.signals.stop()
        await self.keys.stop()
        await self.catalogue.stop()
        if self.store is not None:
            await self.store.stop()
        await self.db.close()
