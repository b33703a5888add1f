"""Every metric that the platform has, by Prometheus' conventions: base units, `_total` for counters, no ids in labels.

All names stand here, so that dashboards and alerts can be checked against them. Under `namaskah serve` each process writes
its values into a memory-mapped file (PROMETHEUS_MULTIPROC_DIR), so that a process that dies loses none; any web process
answers for all (`core/exposition.py`). Labels come from fixed sets only: a test counts the series.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# Gauges of processes that have ended do not count. What a worker reads from the database is the same for all of them.
_LIVE: Final = "livesum"
_READ: Final = "mostrecent"

_REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STATEMENT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_PUSH_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_DELIVERY_SECONDS: Final = (1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
_LATENESS_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0)
_CALL_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 12.0)
_WORK_SECONDS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
_CACHE_SECONDS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)

HTTP_REQUESTS: Final = Counter(
    "namaskah_http_requests_total", "Requests answered; 499 when the client had gone.", ("surface", "method", "route", "status")
)
HTTP_SECONDS: Final = Histogram(
    "namaskah_http_request_duration_seconds",
    "From the request to the head of its answer, without the time that a long-poll waits.",
    ("surface", "method", "route"),
    buckets=_REQUEST_SECONDS,
)
HTTP_IN_PROGRESS: Final = Gauge(
    "namaskah_http_requests_in_progress", "Requests and streams that are open now.", multiprocess_mode=_LIVE
)

DB_SECONDS: Final = Histogram(
    "namaskah_db_statement_duration_seconds", "From a statement to its answer.", ("statement",), buckets=_STATEMENT_SECONDS
)
DB_SLOW: Final = Counter("namaskah_db_slow_statements_total", "Statements over SLOW_STATEMENT_SECONDS.", ("statement",))
DB_ERRORS: Final = Counter("namaskah_db_errors_total", "What the database could not do.", ("kind",))
DB_POOL: Final = Gauge(
    "namaskah_db_pool_connections", "Connections of the processes to the database.", ("state",), multiprocess_mode=_LIVE
)
DB_POOL_WAITING: Final = Gauge("namaskah_db_pool_waiting", "Requests that wait for a connection now.", multiprocess_mode=_LIVE)
DB_POOL_WAIT: Final = Histogram("namaskah_db_pool_wait_seconds", "How long those waited that had to.", buckets=_STATEMENT_SECONDS)
DB_SERVER_CONNECTIONS: Final = Gauge(
    "namaskah_db_server_connections", "Connections at the server, of everybody.", ("state",), multiprocess_mode=_READ
)
DB_UP: Final = Gauge("namaskah_db_up", "1 while the database is heard.", multiprocess_mode="livemax")
DB_SIZE: Final = Gauge("namaskah_db_size_bytes", "Size of the database.", multiprocess_mode=_READ)

CACHE_REQUESTS: Final = Counter("namaskah_cache_requests_total", "Where a cached value came from.", ("cache", "result"))
CACHE_ERRORS: Final = Counter("namaskah_cache_errors_total", "What the shared cache could not do.", ("operation",))
CACHE_SECONDS: Final = Histogram(
    "namaskah_cache_call_duration_seconds", "How long the shared cache took.", buckets=_CACHE_SECONDS
)
CACHE_BREAKER: Final = Gauge(
    "namaskah_cache_breaker_open", "Processes that do without the shared cache now.", multiprocess_mode=_LIVE
)

STREAMS_OPEN: Final = Gauge("namaskah_streams_open", "Streams and long-polls that wait for events.", multiprocess_mode=_LIVE)
STREAM_EVENTS: Final = Counter("namaskah_stream_events_total", "Events written to streams, replayed ones included.")
STREAM_PUSH: Final = Histogram(
    "namaskah_stream_push_seconds", "From an event to its being written to an open stream.", buckets=_PUSH_SECONDS
)

VERIFICATIONS_STARTED: Final = Counter("namaskah_verifications_started_total", "Orders that got their hold.", ("mode",))
VERIFICATIONS_SETTLED: Final = Counter("namaskah_verifications_settled_total", "How orders ended.", ("mode", "outcome"))
REFUSALS: Final = Counter("namaskah_verification_refusals_total", "Purchases that were refused.", ("mode", "code"))
DELIVERY_SECONDS: Final = Histogram(
    "namaskah_delivery_seconds", "From the number to its code.", ("mode",), buckets=_DELIVERY_SECONDS
)
REFUND_LATENESS: Final = Histogram(
    "namaskah_refund_lateness_seconds", "From a deadline to the money being back.", ("mode",), buckets=_LATENESS_SECONDS
)
MESSAGES: Final = Counter("namaskah_messages_received_total", "Messages by what became of them.", ("outcome",))

REVENUE: Final = Counter("namaskah_revenue_usd_total", "What was captured, in US dollars of real money.")
WALLETS_BALANCE: Final = Gauge("namaskah_wallets_balance_usd", "Customers' money, held money included.", multiprocess_mode=_READ)
WALLETS_HELD: Final = Gauge("namaskah_wallets_held_usd", "Customers' money that is held now.", multiprocess_mode=_READ)
LEDGER_DRIFT: Final = Gauge("namaskah_ledger_drift_usd", "What the last check found to be off.", multiprocess_mode=_READ)
LEDGER_OK: Final = Gauge("namaskah_ledger_check_ok", "1 when the last check found nothing.", ("kind",), multiprocess_mode=_READ)
LEDGER_CHECKED: Final = Gauge(
    "namaskah_ledger_check_timestamp_seconds", "When the last check ended.", ("kind",), multiprocess_mode=_READ
)

PROVIDER_REQUESTS: Final = Counter(
    "namaskah_provider_requests_total", "Calls to upstreams by their outcome.", ("provider", "operation", "outcome")
)
PROVIDER_SECONDS: Final = Histogram(
    "namaskah_provider_request_duration_seconds", "How long upstreams took.", ("provider", "operation"), buckets=_CALL_SECONDS
)
PROVIDER_UP: Final = Gauge("namaskah_provider_up", "1 when the upstream answers.", ("provider",), multiprocess_mode=_READ)
PROVIDER_BALANCE: Final = Gauge(
    "namaskah_provider_balance_usd", "Our money at the upstream.", ("provider",), multiprocess_mode=_READ
)

JOBS_RUN: Final = Counter("namaskah_jobs_run_total", "Jobs by their outcome.", ("kind", "outcome"))
JOB_SECONDS: Final = Histogram("namaskah_job_duration_seconds", "How long jobs took.", ("kind",), buckets=_WORK_SECONDS)
JOBS_WAITING: Final = Gauge("namaskah_jobs_waiting", "Jobs that are due.", ("kind",), multiprocess_mode=_READ)
JOBS_DEAD: Final = Gauge("namaskah_jobs_dead", "Jobs that were given up.", ("kind",), multiprocess_mode=_READ)
QUEUE_AGE: Final = Gauge("namaskah_job_queue_age_seconds", "How long the oldest due job has waited.", multiprocess_mode=_READ)
MESSAGES_UNHANDLED: Final = Gauge(
    "namaskah_messages_unhandled", "Messages stored and not yet offered to an order.", multiprocess_mode=_READ
)
MESSAGES_UNHANDLED_AGE: Final = Gauge(
    "namaskah_messages_unhandled_age_seconds", "How long the oldest of them has lain.", multiprocess_mode=_READ
)
WORKER_STEPS: Final = Counter("namaskah_worker_steps_total", "Rounds of the worker's loops.", ("step", "outcome"))
WORKER_SEEN: Final = Gauge(
    "namaskah_worker_last_seen_timestamp_seconds", "When a worker last said that it lives.", multiprocess_mode=_READ
)

SIGN_UPS: Final = Counter("namaskah_sign_ups_total", "New users.")
SIGN_INS: Final = Counter("namaskah_sign_ins_total", "Sign-ins by their outcome.", ("outcome",))
USERS: Final = Gauge("namaskah_users", "Users by what they did.", ("state",), multiprocess_mode=_READ)
NUMBERS: Final = Gauge("namaskah_numbers", "Our own numbers in service.", ("state",), multiprocess_mode=_READ)

CPU_SECONDS: Final = Counter("namaskah_process_cpu_seconds_total", "Processor time used.", ("role",))
MEMORY: Final = Gauge("namaskah_process_resident_memory_bytes", "Memory in use.", ("role",), multiprocess_mode=_LIVE)
OPEN_FILES: Final = Gauge("namaskah_process_open_fds", "Open files and sockets.", ("role",), multiprocess_mode=_LIVE)
PROCESSES: Final = Gauge("namaskah_processes", "Processes that run.", ("role",), multiprocess_mode=_LIVE)
LOOP_LAG: Final = Gauge(
    "namaskah_event_loop_lag_seconds", "The longest delay of the last seconds.", ("role",), multiprocess_mode="livemax"
)
BUILD_INFO: Final = Gauge("namaskah_build_info", "Always 1.", ("version",), multiprocess_mode="livemax")
DISK_FREE: Final = Gauge("namaskah_disk_free_bytes", "Room that is left.", ("place",), multiprocess_mode=_READ)
DISK_SIZE: Final = Gauge("namaskah_disk_size_bytes", "Room that there is.", ("place",), multiprocess_mode=_READ)
CERTIFICATE_EXPIRY: Final = Gauge(
    "namaskah_certificate_expiry_timestamp_seconds", "When PUBLIC_URL's certificate ends.", ("host",), multiprocess_mode=_READ
)


def mode(livemode: bool) -> str:
    """The label that keeps the test mode out of all figures."""
    return "live" if livemode else "test"
