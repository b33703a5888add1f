"""When each alert must fire and when it must not: series as Prometheus sees them, and what follows from them.

`tests/deploy/test_alert_rules.py` plays them through the real rules with promtool. Series are in promtool's notation:
`0+5x40` begins at 0 and grows by 5 at each of 40 steps, `_x20` is not there for 20 steps.
"""

from typing import Final, NamedTuple


class Case(NamedTuple):
    """`at` is when it is looked, from the beginning; `step` the time between two samples of the series."""

    alert: str
    says: str
    fires: bool
    series: dict[str, str]
    at: str = "30m"
    step: str = "15s"


def requests(failed: str, answered: str) -> dict[str, str]:
    """Requests of customers that failed and that were answered."""
    return {
        'namaskah_http_requests_total{instance="a", surface="api", method="GET", route="/wallet", status="503"}': failed,
        'namaskah_http_requests_total{instance="a", surface="api", method="GET", route="/wallet", status="200"}': answered,
    }


def responses(seconds: str, count: str) -> dict[str, str]:
    labels = '{instance="a", surface="api", method="GET", route="/wallet"}'
    name = "namaskah_http_request_duration_seconds"
    return {f"{name}_sum{labels}": seconds, f"{name}_count{labels}": count}


def quick_responses(quick: str, count: str) -> dict[str, str]:
    """Of `count` responses so many took at most 250 ms."""
    labels = 'instance="a", surface="api", method="GET", route="/wallet"'
    name = "namaskah_http_request_duration_seconds"
    return {f'{name}_bucket{{{labels}, le="0.25"}}': quick, f"{name}_count{{{labels}}}": count}


def histogram(name: str, labels: str, le: str, below: str, count: str) -> dict[str, str]:
    """Of `count` observations so many were at most `le`."""
    comma = ", " if labels else ""
    return {f'{name}_bucket{{{labels}{comma}le="{le}"}}': below, f"{name}_count{{{labels}}}": count}


def database_errors(*values: str) -> dict[str, str]:
    kinds = ("gone", "timeout", "server")
    return {f'namaskah_db_errors_total{{instance="a", kind="{kind}"}}': value for kind, value in zip(kinds, values, strict=False)}


def refunds(le: str, in_time: str, all_of_them: str, mode: str = "live") -> dict[str, str]:
    return histogram("namaskah_refund_lateness_seconds", f'mode="{mode}"', le, in_time, all_of_them)


def pushed(in_time: str, all_of_them: str) -> dict[str, str]:
    return histogram("namaskah_stream_push_seconds", "", "1.0", in_time, all_of_them)


def settled(completed: str, expired: str) -> dict[str, str]:
    name = "namaskah_verifications_settled_total"
    return {f'{name}{{mode="live", outcome="completed"}}': completed, f'{name}{{mode="live", outcome="expired"}}': expired}


def gauge(name: str, value: str, labels: str = "") -> dict[str, str]:
    return {f"{name}{{{labels}}}": value}


def disk(free: str) -> dict[str, str]:
    place = 'instance="a", place="database"'
    return gauge("namaskah_disk_free_bytes", free, place) | gauge("namaskah_disk_size_bytes", "1000x9999", place)


def up(value: str, job: str = "namaskah", instance: str = "a") -> dict[str, str]:
    return gauge("up", value, f'job="{job}", instance="{instance}"')


REQUIRED: Final = (
    Case("HighErrorRate", "4.9 % of the requests fail", False, requests("0+49x200", "0+951x200")),
    Case("HighErrorRate", "5.1 % of the requests fail", True, requests("0+51x200", "0+949x200")),
    Case("HighErrorRate", "a failing request in every ten, at a trickle", True, requests("0+1x200", "0+9x200")),
    Case("HighErrorRate", "everything fails and nobody was ever answered", True, {**requests("0+5x200", "_x200")}),
    Case("HighErrorRate", "it was bad until six minutes ago", False, requests("0+500x96 48000x100", "0+500x200")),
    Case("HighErrorRate", "only the probes of the load balancer fail", False, {
        **requests("0x200", "0+100x200"),
        'namaskah_http_requests_total{instance="a", surface="ops", method="GET", route="/readyz", status="503"}': "0+900x200",
    }),
    Case("HighErrorRate", "nobody asks for anything", False, requests("7x200", "9x200")),
    Case("SlowResponses", "490 ms on average", False, responses("0+490x200", "0+1000x200")),
    Case("SlowResponses", "510 ms on average", True, responses("0+510x200", "0+1000x200")),
    Case("SlowResponses", "900 ms in the last four minutes, 100 ms before them", False,
         responses("0+100x104 10400+900x16", "0+1000x200")),
    Case("SlowResponses", "900 ms in the last seven minutes, 100 ms before them", True,
         responses("0+100x92 9200+900x28", "0+1000x200")),
    Case("SlowResponses", "nobody asks for anything", False, responses("7x200", "9x200")),
    Case("DatabaseErrors", "10 errors in 5 minutes", False, database_errors("0x110 10x20")),
    Case("DatabaseErrors", "11 errors in 5 minutes", True, database_errors("0x110 11x20")),
    Case("DatabaseErrors", "10 errors of a kind that was never seen before", False, database_errors("_x110 10x20")),
    Case("DatabaseErrors", "11 errors of a kind that was never seen before", True, database_errors("_x110 11x20")),
    Case("DatabaseErrors", "11 errors of several kinds", True, database_errors("4x110 9x20", "_x110 4x20", "0x110 2x20")),
    Case("DatabaseErrors", "11 errors six minutes ago", False, database_errors("0x94 11x100")),
    Case("DatabaseErrors", "a process was started anew and met 3 errors", False, database_errors("50x110 3x20")),
    Case("DatabaseErrors", "a process was started anew and met 12 errors", True, database_errors("50x110 12x20")),
    Case("DatabaseErrors", "a process that had met fewer was started anew and met 12 errors", True,
         database_errors("6x110 0x2 12x20")),
    Case("DatabaseErrors", "a thousand errors long ago", False, database_errors("1000x200")),
)  # fmt: skip

OBJECTIVES: Final = (
    Case("AvailabilityBudgetBurnsFast", "1.5 % fail for an hour, after six good ones", True,
         requests("0x180 15+15x60", "0+1000x180 180985+985x60"), "7h10m", "2m"),
    Case("AvailabilityBudgetBurnsFast", "1.4 % fail for an hour, after six good ones", False,
         requests("0x180 14+14x60", "0+1000x180 180986+986x60"), "7h10m", "2m"),
    Case("AvailabilityBudgetBurnsFast", "3 % failed for an hour, until ten minutes ago", False,
         requests("0x180 30+30x29 900x30", "0+1000x180 180970+970x60"), "7h10m", "2m"),
    Case("AvailabilityBudgetBurnsFast", "nine of the 90 requests of an hour fail", False,
         requests("0x180 0+0.3x60", "0+3x180 542.7+2.7x60"), "7h", "2m"),
    Case("AvailabilityBudgetBurnsFast", "0.7 % fail for six hours", True, requests("0+7x200", "0+993x200"), "6h20m", "2m"),
    Case("AvailabilityBudgetBurnsFast", "0.5 % fail for six hours", False, requests("0+5x200", "0+995x200"), "6h20m", "2m"),
    Case("AvailabilityBudgetBurnsSlowly", "0.4 % fail for a day, after two good ones", True,
         requests("0x192 4+4x120", "0+1000x192 192996+996x120"), "73h", "15m"),
    Case("AvailabilityBudgetBurnsSlowly", "0.2 % fail for a day, after two good ones", False,
         requests("0x192 2+2x120", "0+1000x192 192998+998x120"), "73h", "15m"),
    Case("AvailabilityBudgetBurnsSlowly", "0.4 % failed for a day, until seven hours ago", False,
         requests("0x192 4+4x96 388x60", "0+1000x192 192996+996x180"), "79h", "15m"),
    Case("AvailabilityBudgetBurnsSlowly", "0.15 % fail for three days", True, requests("0+15x320", "0+9985x320"), "76h", "15m"),
    Case("AvailabilityBudgetBurnsSlowly", "0.09 % fail for three days", False, requests("0+9x320", "0+9991x320"), "76h", "15m"),
    Case("AvailabilityBudgetBurnsSlowly", "nine of 900 requests of three days fail", False,
         requests("0x150 9x200", "0+3x320"), "76h", "15m"),
    Case("LatencyBudgetBurns", "31 % over 250 ms for an hour", True, quick_responses("0+690x60", "0+1000x60"), "70m", "2m"),
    Case("LatencyBudgetBurns", "20 % over 250 ms for two hours, until 40 minutes ago", False,
         quick_responses("0+1000x100 100800+800x59 149000+1000x60", "0+1000x300"), "6h", "2m"),
    Case("LatencyBudgetBurns", "6 % over 250 ms for six hours", True, quick_responses("0+94x200", "0+100x200"), "6h20m", "2m"),
    Case("LatencyBudgetBurns", "4 % over 250 ms for six hours", False, quick_responses("0+96x200", "0+100x200"), "6h20m", "2m"),
    Case("LatencyBudgetBurns", "half of 60 requests are slow", False, quick_responses("0+2x100", "0+4x100"), "70m", "2m"),
    Case("CodePushSlow", "6 % of the codes come after a second", True, pushed("0+94x200", "0+100x200"), "40m"),
    Case("CodePushSlow", "4 % of the codes come after a second", False, pushed("0+96x200", "0+100x200"), "40m"),
    Case("CodePushSlow", "it is over", False, pushed("0+90x130 11700+100x70", "0+100x200"), "40m"),
    Case("CodePushSlow", "one of ten codes comes late", False, pushed("0x60 8x140", "0x60 10x140"), "40m"),
    Case("RefundsLate", "2 % of the refunds come after 5 s", True, refunds("5.0", "0+98x200", "0+100x200")),
    Case("RefundsLate", "0.5 % of the refunds come after 5 s", False, refunds("5.0", "0+995x200", "0+1000x200")),
    Case("RefundsLate", "only those of the test mode come late", False, refunds("5.0", "0+1x200", "0+100x200", "test")),
    Case("RefundsLate", "all come in time", False, refunds("5.0", "0+100x200", "0+100x200")),
    Case("RefundsOverAMinute", "one refund among thousands came after a minute", True,
         refunds("60.0", "0+100x100 10099+100x100", "0+100x200"), "26m"),
    Case("RefundsOverAMinute", "it was twenty minutes ago", False,
         refunds("60.0", "0+100x100 10099+100x200", "0+100x300"), "50m"),
    Case("RefundsOverAMinute", "the first refunds after a start came late", True,
         refunds("60.0", "_x100 0x100", "_x100 7x100"), "28m"),
    Case("RefundsOverAMinute", "the first refunds after a start came in time", False,
         refunds("60.0", "_x100 7x100", "_x100 7x100"), "28m"),
    Case("RefundsOverAMinute", "all come within a minute", False, refunds("60.0", "0+100x200", "0+100x200")),
)  # fmt: skip

CHECKED: Final = "namaskah_ledger_check_timestamp_seconds"
MONEY: Final = (
    Case("LedgerDrift", "the drift is a millionth of a dollar", True, gauge("namaskah_ledger_drift_usd", "0x100 0.000001x99")),
    Case("LedgerDrift", "it is negative", True, gauge("namaskah_ledger_drift_usd", "-0.5x200")),
    Case("LedgerDrift", "a rule is violated that is worth no money", True,
         gauge("namaskah_ledger_drift_usd", "0x200") | gauge("namaskah_ledger_check_ok", "0x200", 'kind="full"')),
    Case("LedgerDrift", "all is well", False,
         gauge("namaskah_ledger_drift_usd", "0x200") | gauge("namaskah_ledger_check_ok", "1x200", 'kind="full"')),
    Case("LedgerCheckOverdue", "the last incremental check was 13 minutes ago", True,
         gauge(CHECKED, "1020x200", 'kind="incremental"')),
    Case("LedgerCheckOverdue", "one instance checked long ago, another just now", False,
         gauge(CHECKED, "0x200", 'kind="incremental", instance="a"')
         | gauge(CHECKED, "0+15x200", 'kind="incremental", instance="b"')),
    Case("LedgerCheckOverdue", "the full check has not run for 27 hours", True,
         gauge(CHECKED, "0x150", 'kind="full"'), "27h", "15m"),
    Case("LedgerCheckOverdue", "the full check ran 25 hours ago", False, gauge(CHECKED, "0x150", 'kind="full"'), "25h", "15m"),
)  # fmt: skip

SEEN: Final = "namaskah_worker_last_seen_timestamp_seconds"
PROVIDER: Final = 'provider="upstream"'
DELIVERY: Final = (
    Case("ProviderDown", "for four minutes", True, gauge("namaskah_provider_up", "1x104 0x40", PROVIDER)),
    Case("ProviderDown", "for two minutes", False, gauge("namaskah_provider_up", "1x112 0x40", PROVIDER)),
    Case("ProviderDown", "another instance reaches it", False, gauge("namaskah_provider_up", "0x200", f'{PROVIDER}, instance="a"')
         | gauge("namaskah_provider_up", "1x200", f'{PROVIDER}, instance="b"')),
    Case("ProviderBalanceLow", "24.99 USD are left", True, gauge("namaskah_provider_balance_usd", "24.99x200", PROVIDER)),
    Case("ProviderBalanceLow", "25 USD are left", False, gauge("namaskah_provider_balance_usd", "25x200", PROVIDER)),
    Case("CodesNotArriving", "a quarter of the orders gets a code", True, settled("0+1x80", "0+3x80"), "70m", "2m"),
    Case("CodesNotArriving", "a third of the orders gets a code", False, settled("0+1x80", "0+2x80"), "70m", "2m"),
    Case("CodesNotArriving", "two of ten orders get a code", False, settled("0x100 2x200", "0x100 8x200"), "70m"),
    Case("MessagesUnhandled", "for 31 seconds", True, gauge("namaskah_messages_unhandled_age_seconds", "31x200")),
    Case("MessagesUnhandled", "for 30 seconds", False, gauge("namaskah_messages_unhandled_age_seconds", "30x200")),
    Case("WorkerMissing", "for three minutes", True, gauge(SEEN, "0+15x108 1620x40")),
    Case("WorkerMissing", "none ever said that it lives", True, up("1x200")),
    Case("WorkerMissing", "one of two has ended", False, gauge(SEEN, "0+15x60 900x140", 'instance="a"')
         | gauge(SEEN, "0+15x200", 'instance="b"')),
    Case("JobQueueOld", "the oldest due job has waited 301 seconds", True, gauge("namaskah_job_queue_age_seconds", "301x200")),
    Case("JobQueueOld", "the oldest due job has waited 300 seconds", False, gauge("namaskah_job_queue_age_seconds", "300x200")),
    Case("JobsDead", "one was given up", True, gauge("namaskah_jobs_dead", "0x60 1x140", 'kind="provider_cancel"')),
    Case("JobsDead", "none was given up", False, gauge("namaskah_jobs_dead", "0x200", 'kind="provider_cancel"')),
)  # fmt: skip

ENDS: Final = "namaskah_certificate_expiry_timestamp_seconds"
HOST: Final = 'host="sms.example.com"'
ROLE: Final = 'instance="a", role="web"'
MACHINES: Final = (
    Case("PlatformDown", "both instances are away", True, up("1x104 0x40") | up("1x104 0x40", instance="b")),
    Case("PlatformDown", "one of two is away", False, up("0x200") | up("1x200", instance="b")),
    Case("PlatformDown", "no instance is known", True, up("1x200", job="prometheus")),
    Case("TargetDown", "for four minutes", True, up("1x104 0x40") | up("1x200", instance="b")),
    Case("TargetDown", "for two minutes", False, up("1x112 0x40") | up("1x200", instance="b")),
    Case("DatabaseSlow", "51 ms for 20 minutes", True, histogram("namaskah_db_statement_duration_seconds", "", "0.1", "0x200", "0+1000x200")
         | {"namaskah_db_statement_duration_seconds_sum{}": "0+51x200"}),
    Case("DatabaseSlow", "49 ms", False, histogram("namaskah_db_statement_duration_seconds", "", "0.1", "0x200", "0+1000x200")
         | {"namaskah_db_statement_duration_seconds_sum{}": "0+49x200"}),
    Case("DatabasePoolFull", "for three minutes", True, gauge("namaskah_db_pool_waiting", "0x108 2x40", 'instance="a"')),
    Case("DatabasePoolFull", "now and then", False, gauge("namaskah_db_pool_waiting", "0x108 2x4 0x1 2x5 0x1 2x40", 'instance="a"')),
    Case("SharedCacheDown", "for six minutes", True, gauge("namaskah_cache_breaker_open", "0x96 1x40", 'instance="a"')),
    Case("SharedCacheDown", "for four minutes", False, gauge("namaskah_cache_breaker_open", "0x104 1x40", 'instance="a"')),
    Case("DiskNearlyFull", "4.9 % is free", True, disk("49x200")),
    Case("DiskNearlyFull", "5.1 % is free", False, disk("51x200")),
    Case("DiskFillingUp", "a third is free, and a sixth goes in six hours", True, disk("560-2x100"), "8h20m", "5m"),
    Case("DiskFillingUp", "it fills, and was watched for two hours only", False, disk("360-2x100"), "2h", "5m"),
    Case("DiskFillingUp", "a third is free, and stays", False, disk("360x100"), "8h20m", "5m"),
    Case("DiskFillingUp", "it fills, and there is plenty", False, disk("900-2x100"), "8h20m", "5m"),
    Case("CertificateEndsSoon", "in 13 days", True, gauge(ENDS, f"{13 * 86400}x200", HOST)),
    Case("CertificateEndsSoon", "in 15 days", False, gauge(ENDS, f"{15 * 86400}x200", HOST)),
    Case("CertificateEndsNow", "in a day", True, gauge(ENDS, "86400x200", HOST)),
    Case("CertificateEndsNow", "it has ended", True, gauge(ENDS, "60x200", HOST)),
    Case("CertificateEndsNow", "in three days", False, gauge(ENDS, f"{3 * 86400}x200", HOST)),
    Case("EventLoopLag", "260 ms for six minutes", True, gauge("namaskah_event_loop_lag_seconds", "0x96 0.26x40", ROLE)),
    Case("EventLoopLag", "260 ms for four minutes", False, gauge("namaskah_event_loop_lag_seconds", "0x104 0.26x40", ROLE)),
    Case("MemoryHigh", "two processes hold 3 GiB", True, gauge("namaskah_process_resident_memory_bytes", "3221225472x200", ROLE)
         | gauge("namaskah_processes", "2x200", ROLE)),
    Case("MemoryHigh", "four processes hold 3 GiB", False, gauge("namaskah_process_resident_memory_bytes", "3221225472x200", ROLE)
         | gauge("namaskah_processes", "4x200", ROLE)),
    Case("Watchdog", "whatever happens", True, up("0x200")),
    Case("MonitoringFaulty", "mails cannot be delivered", True,
         gauge("alertmanager_notifications_failed_total", "0x100 1x40", 'integration="email", instance="alertmanager"')),
    Case("MonitoringFaulty", "a rule cannot be worked out", True, gauge("prometheus_rule_evaluation_failures_total", "0+1x200")),
    Case("MonitoringFaulty", "alerts are dropped", True, gauge("prometheus_notifications_dropped_total", "0+1x200")),
    Case("MonitoringFaulty", "a new configuration was refused", True, gauge("prometheus_config_last_reload_successful", "0x200")),
    Case("MonitoringFaulty", "all is well", False,
         gauge("alertmanager_notifications_failed_total", "3x200", 'integration="email"')
         | gauge("alertmanager_config_last_reload_successful", "1x200")
         | gauge("prometheus_config_last_reload_successful", "1x200")),
)  # fmt: skip

CASES: Final = (*REQUIRED, *OBJECTIVES, *MONEY, *DELIVERY, *MACHINES)
