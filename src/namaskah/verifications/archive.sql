-- Ended orders of one wallet move, each with its messages and ledger lines, into one row of archived_orders; all or none of
-- a batch. Run by the database's owner. No wallet is touched and no row that is in use is locked.
CREATE OR REPLACE FUNCTION orders_archive(
    p_user text, p_live boolean, p_after timestamptz, p_before timestamptz, p_limit integer, p_txn text,
    OUT archived integer, OUT captured bigint, OUT reached timestamptz, OUT taken integer
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    chosen text[];
    holds text[];
    ends text[];
    newest archived_orders;
BEGIN
    SELECT array_agg(c.id), max(c.created_at), count(*) INTO chosen, reached, taken FROM (
        SELECT v.id, v.created_at FROM verifications v
        WHERE v.user_id = p_user AND v.created_at >= p_after AND v.created_at < p_before AND v.livemode = p_live
          AND v.status IN ('completed', 'cancelled', 'expired', 'failed') AND v.closed_at < p_before AND v.sweep_at IS NULL
        ORDER BY v.created_at LIMIT p_limit FOR UPDATE SKIP LOCKED) c;
    -- Only what is whole and adds up; anything else stays, and stays what the ledger's check complains of.
    WITH whole AS (
        INSERT INTO archived_orders
        SELECT v.id, v.user_id, v.livemode, CASE WHEN r.kind = 'capture' THEN p_txn END, v.status, v.service, v.country, v.operator,
            v.provider, v.number_id, v.reuse_of, v.api_key_id, v.price_micros, v.message_count, v.created_at, v.pending_at,
            v.expires_at, v.code_received_at, v.settled_at, v.failure, v.report_reason, h.id, h.balance_after_micros,
            h.available_after_micros, h.hold_deadline_at, h.actor_id, e.id, e.balance_after_micros, e.available_after_micros,
            e.reason, e.actor_id, e.created_at, clock_timestamp()
        FROM unnest(chosen) c (id)
        JOIN verifications v ON v.id = c.id
        JOIN transactions h ON h.id = v.hold_id AND h.type = 'hold' AND h.verification_id = v.id AND h.amount_micros = -v.price_micros
        JOIN hold_resolutions r ON r.hold_id = h.id
        JOIN transactions e ON e.id = r.transaction_id AND e.type = r.kind AND e.verification_id = v.id
        WHERE (h.user_id, h.livemode) = (v.user_id, v.livemode) AND (e.user_id, e.livemode) = (v.user_id, v.livemode)
          AND e.created_at < p_before AND r.kind = CASE WHEN v.status = 'completed' THEN 'capture' ELSE 'release' END
          AND e.amount_micros = CASE WHEN v.status = 'completed' THEN 0 ELSE v.price_micros END
          AND (SELECT array_agg((x.transaction_id = h.id, x.account, x.amount_micros) ORDER BY x.transaction_id <> h.id, x.amount_micros)
               FROM entries x WHERE x.transaction_id IN (h.id, e.id))
            = ARRAY[(true, 1::smallint, -v.price_micros), (true, 2::smallint, v.price_micros), (false, 2::smallint, -v.price_micros),
                    (false, CASE WHEN v.status = 'completed' THEN 3 ELSE 1 END::smallint, v.price_micros)]
        RETURNING *
    )
    SELECT count(*), coalesce(sum(w.price_micros) FILTER (WHERE w.status = 'completed'), 0), array_agg(w.verification_id),
           array_agg(w.hold_id), array_agg(w.end_id)
    INTO archived, captured, chosen, holds, ends FROM whole w;
    IF archived = 0 THEN
        RETURN;
    END IF;
    IF captured > 0 THEN
        SELECT a.* INTO newest FROM unnest(chosen) c (id) JOIN archived_orders a ON a.verification_id = c.id
        ORDER BY a.ended_at DESC, a.end_id DESC LIMIT 1;
        PERFORM ledger_carry(p_txn, p_user, p_live, captured, newest.end_balance_after_micros, newest.end_available_after_micros,
                             archived || ' orders until ' || to_char(newest.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ', carried forward',
                             newest.ended_at);
    END IF;
    PERFORM ledger_remove_archived(holds, ends);
    DELETE FROM messages m WHERE m.verification_id = ANY (chosen);
    DELETE FROM provider_orders o WHERE o.verification_id = ANY (chosen);
    DELETE FROM verifications v WHERE v.id = ANY (chosen);
END $$;
