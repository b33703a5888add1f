-- How a verification ends: by a code, by its customer, by its deadline, or by having failed to begin.
-- Every function locks the verification's row first and the wallet's row after it.

-- What must follow when an order ends before a code: the upstream is told by a job that is retried.
CREATE OR REPLACE FUNCTION provider_order_close(p_id text, p_kind text) RETURNS void LANGUAGE sql AS $$
    WITH closed AS (
        UPDATE provider_orders SET state = 'closed' WHERE verification_id = p_id AND state = 'open' RETURNING provider, reference
    )
    INSERT INTO jobs (kind, unique_key, payload)
    SELECT p_kind, p_kind || ':' || p_id, json_build_object('provider', provider, 'reference', reference) FROM closed
    ON CONFLICT (unique_key) DO NOTHING
$$;

-- Whether a blocked sender's message belongs to what was bought: an operator has opened a service of that very category.
CREATE OR REPLACE FUNCTION sender_is_welcome(p_sender text, p_service integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM services s JOIN blocked_senders b ON b.category = s.category
        WHERE s.id = p_service AND NOT s.blocked AND p_sender ILIKE replace(replace(b.pattern, '*', '%'), '?', '_'));
END $$;

-- A function's columns cannot be replaced, so those that have grown are dropped first.
DROP FUNCTION IF EXISTS verification_receive(text, text, timestamptz);
DROP FUNCTION IF EXISTS verification_sweep(text[], integer, timestamptz, text);

-- An SMS meets its verification. 'captured' moved money; 'late', 'message' and 'withheld' never do.
CREATE OR REPLACE FUNCTION verification_receive(
    p_message text, p_txn text, p_at timestamptz, OUT outcome text, OUT verification_id text, OUT user_id text, OUT livemode boolean,
    OUT price_micros bigint, OUT seconds double precision
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    m messages;
    v verifications;
    seq bigint;
    kind text;
BEGIN
    SELECT * INTO m FROM messages x WHERE x.id = p_message FOR UPDATE;
    IF m.handled_at IS NOT NULL THEN
        outcome := 'already_handled';
        RETURN;
    END IF;
    IF m.reference IS NULL THEN
        -- A source speaks for its own numbers only: with another's secret nobody can make a customer pay.
        SELECT n.verification_id INTO verification_id FROM numbers n WHERE n.e164 = m.number AND n.source_id = m.origin;
    ELSE
        SELECT o.verification_id INTO verification_id FROM provider_orders o WHERE o.provider = m.origin AND o.reference = m.reference;
    END IF;
    SELECT * INTO v FROM verifications x WHERE x.id = verification_id FOR UPDATE;
    IF v.status = 'requesting' THEN
        -- The upstream's message was faster than its own answer: it is taken up again when the number is stored.
        outcome := 'not_yet';
        RETURN;
    END IF;
    -- A message that lay unhandled while its number changed hands is not the new customer's, to read or to pay. One that is
    -- handled as it comes has not lain: it seems older than its order only when the clock was set back in between.
    IF v.id IS NULL OR v.closed_at < moment - interval '1 hour'
       OR (m.reference IS NULL AND m.created_at < v.pending_at AND m.created_at < moment - interval '1 second') THEN
        UPDATE messages SET handled_at = moment WHERE id = p_message;
        verification_id := NULL;
        outcome := 'no_verification';
        RETURN;
    END IF;
    user_id := v.user_id;
    livemode := v.livemode;
    price_micros := v.price_micros;
    seconds := extract(epoch FROM moment - v.pending_at);
    IF m.withheld AND NOT sender_is_welcome(m.sender, v.service_id) THEN
        UPDATE messages x SET handled_at = moment, verification_id = v.id WHERE x.id = p_message;
        outcome := 'withheld';
        RETURN;
    END IF;
    outcome := CASE
        WHEN v.closed_at IS NOT NULL OR moment >= v.expires_at THEN 'late'
        WHEN v.status = 'pending' AND m.has_code THEN 'captured'
        WHEN m.has_code THEN 'another_code'
        ELSE 'message' END;
    UPDATE messages x SET handled_at = moment, verification_id = v.id, late = (outcome = 'late'), withheld = false
    WHERE x.id = p_message;
    UPDATE verifications x SET message_count = message_count + 1,
        status = CASE WHEN outcome = 'captured' THEN 'completed' ELSE x.status END,
        charged = x.charged OR outcome = 'captured',
        code_received_at = CASE WHEN outcome = 'captured' THEN moment ELSE x.code_received_at END,
        settled_at = CASE WHEN outcome = 'captured' THEN moment ELSE x.settled_at END
    WHERE x.id = v.id RETURNING * INTO v;
    IF outcome = 'captured' THEN
        seq := ledger_capture(p_txn, v.hold_id, v.user_id, v.livemode, v.price_micros, v.id, v.user_id, moment);
    ELSE
        seq := event_next(v.user_id, v.livemode);
    END IF;
    kind := CASE outcome WHEN 'late' THEN 'verification.late_message' WHEN 'message' THEN 'verification.message_received'
            ELSE 'verification.code_received' END;
    PERFORM event_append(v.user_id, v.livemode, seq, kind, v.id, verification_json(v, messages_json(v.id)), moment);
END $$;

-- What was held and is given back counts no longer against the daily cap of the key that bought it. Called before the
-- wallets are locked, as a purchase pays in before it takes its hold; rows in order, so that batches do not cross.
CREATE OR REPLACE FUNCTION api_key_spend_return(p_released verifications[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM api_key_spend s
    WHERE (s.key_id, s.day) IN (SELECT r.api_key_id, (r.created_at AT TIME ZONE 'UTC')::date FROM unnest(p_released) r)
    ORDER BY s.key_id, s.day FOR NO KEY UPDATE;
    IF FOUND THEN
        UPDATE api_key_spend s SET spent_micros = greatest(s.spent_micros - r.amount, 0)
        FROM (SELECT api_key_id, (created_at AT TIME ZONE 'UTC')::date AS day, sum(price_micros) AS amount
              FROM unnest(p_released) GROUP BY 1, 2) r
        WHERE s.key_id = r.api_key_id AND s.day = r.day;
    END IF;
END $$;

-- Releases one verification's hold, marks it as ended in `p_status` and appends the event. The caller has locked the row.
CREATE OR REPLACE FUNCTION verification_release(
    v verifications, p_status text, p_txn text, p_actor text, p_failure text, p_pause integer, p_now timestamptz
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seq bigint;
    ended verifications;
    body text;
BEGIN
    PERFORM api_key_spend_return(ARRAY[v]);
    SELECT r.event_seq INTO seq FROM ledger_release(
        ARRAY[ROW(p_txn, v.hold_id, v.user_id, v.livemode, v.price_micros, v.id, v.status = 'pending', (v.created_at AT TIME ZONE 'UTC')::date)
              ::hold_to_release], p_status, p_actor, p_now) r;
    UPDATE verifications x SET status = p_status, settled_at = p_now, closed_at = p_now, sweep_at = NULL, failure = p_failure
    WHERE x.id = v.id RETURNING * INTO ended;
    PERFORM number_free(v.number_id, v.id, p_pause, p_now) WHERE v.number_id IS NOT NULL;
    PERFORM provider_order_close(v.id, 'provider_cancel') WHERE v.provider <> 'inventory';
    body := verification_json(ended, CASE WHEN ended.message_count > 0 THEN messages_json(v.id) ELSE '[]' END);
    PERFORM event_append(v.user_id, v.livemode, seq, 'verification.' || p_status, v.id, body, p_now);
    RETURN body;
END $$;

CREATE OR REPLACE FUNCTION verification_cancel(
    p_id text, p_user text, p_live boolean, p_txn text, p_pause integer, p_at timestamptz,
    OUT outcome text, OUT body text, OUT wait_seconds double precision
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    v verifications;
BEGIN
    SELECT * INTO v FROM verifications WHERE id = p_id AND user_id = p_user AND livemode = p_live FOR UPDATE;
    outcome := CASE
        WHEN v.id IS NULL THEN 'not_found'
        WHEN v.status = 'cancelled' THEN 'unchanged'
        WHEN v.status = 'completed' THEN 'code_received'
        WHEN v.status IN ('expired', 'failed') THEN 'already_released'
        -- The question is on its way to the upstream; it is answered in seconds, or becomes unknown and may be cancelled.
        WHEN v.status = 'requesting' AND EXISTS (SELECT FROM provider_orders WHERE verification_id = p_id AND state = 'asking') THEN 'requesting'
        WHEN moment < v.can_cancel_at THEN 'too_early'
        ELSE 'cancelled' END;
    wait_seconds := extract(epoch FROM v.can_cancel_at - moment);
    IF outcome = 'cancelled' THEN
        body := verification_release(v, 'cancelled', p_txn, p_user, NULL, p_pause, moment);
    ELSIF outcome = 'unchanged' THEN
        body := verification_json(v, messages_json(p_id));
    END IF;
END $$;

-- The upstream had no number for us, or said no: the hold goes back at once.
CREATE OR REPLACE FUNCTION verification_fail(
    p_id text, p_failure text, p_txn text, p_idempotency text, p_at timestamptz, OUT done boolean, OUT user_id text, OUT livemode boolean
) LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    v verifications;
BEGIN
    SELECT * INTO v FROM verifications WHERE id = p_id FOR UPDATE;
    user_id := v.user_id;
    livemode := v.livemode;
    done := v.status = 'requesting';
    UPDATE provider_orders SET state = 'closed' WHERE verification_id = p_id AND state <> 'open';
    IF done THEN
        PERFORM verification_release(v, 'failed', p_txn, v.user_id, p_failure, 0, moment);
    END IF;
    PERFORM idempotency_store(p_id, v.user_id, v.livemode, p_idempotency, 409, p_failure);
END $$;

-- Everything that is due: open orders are released, completed ones give their number back. Several workers share the
-- rows by SKIP LOCKED. p_txns are ready ids, one for each row that may be taken; LIMIT is a literal on purpose.
-- p_only: nothing but this one, for finding out which of a batch is damaged.
CREATE OR REPLACE FUNCTION verification_sweep(p_txns text[], p_pause integer, p_at timestamptz, p_only text DEFAULT NULL)
RETURNS TABLE (user_id text, livemode boolean, released integer, closed integer, lateness double precision[]) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    due verifications[];
BEGIN
    IF p_only IS NULL THEN
        due := ARRAY(SELECT v FROM verifications v WHERE v.sweep_at <= moment ORDER BY v.sweep_at LIMIT 500 FOR UPDATE SKIP LOCKED);
    ELSE
        due := ARRAY(SELECT v FROM verifications v WHERE v.id = p_only AND v.sweep_at <= moment FOR UPDATE SKIP LOCKED);
    END IF;
    IF cardinality(due) = 0 THEN
        RETURN;
    END IF;
    PERFORM api_key_spend_return(ARRAY(SELECT d FROM unnest(due) d WHERE (d).status IN ('pending', 'requesting')));
    RETURN QUERY
    WITH rows AS (
        SELECT (d).*, p_txns[row_number() OVER ()::integer] AS txn FROM unnest(due) d
    ), open_holds AS (
        SELECT array_agg(ROW(r.txn, r.hold_id, r.user_id, r.livemode, r.price_micros, r.id, r.status = 'pending',
                             (r.created_at AT TIME ZONE 'UTC')::date)::hold_to_release) AS holds
        FROM rows r WHERE r.status IN ('pending', 'requesting')
    ), numbered AS MATERIALIZED (
        SELECT l.hold, l.event_seq FROM open_holds o, ledger_release(o.holds, 'expired', 'system', moment) l WHERE o.holds IS NOT NULL
    ), ended AS (
        UPDATE verifications x SET status = 'expired', settled_at = moment, closed_at = moment, sweep_at = NULL
        FROM numbered WHERE x.hold_id = numbered.hold AND x.id IN (SELECT r.id FROM rows r)
        RETURNING x AS v, numbered.event_seq
    ), finished AS (
        UPDATE verifications x SET closed_at = x.expires_at, sweep_at = NULL
        FROM rows r WHERE x.id = r.id AND r.status NOT IN ('pending', 'requesting')
        RETURNING x.id, x.user_id, x.livemode
    ), freed AS (
        UPDATE numbers n SET busy = false, free_at = moment + make_interval(secs => p_pause)
        FROM rows r WHERE n.id = r.number_id AND n.verification_id = r.id AND n.busy
    ), orders AS (
        UPDATE provider_orders o SET state = 'closed' FROM rows r
        WHERE r.provider <> 'inventory' AND o.verification_id = r.id AND o.state = 'open'
        RETURNING o.verification_id, o.provider, o.reference, r.status
    ), told AS (
        INSERT INTO jobs (kind, unique_key, payload)
        SELECT k.kind, k.kind || ':' || o.verification_id, json_build_object('provider', o.provider, 'reference', o.reference)
        FROM orders o, LATERAL (SELECT CASE WHEN o.status = 'pending' THEN 'provider_cancel' ELSE 'provider_finish' END AS kind) k
        ON CONFLICT (unique_key) DO NOTHING
    ), logged AS (
        INSERT INTO events (user_id, livemode, seq, type, object_id, data, created_at)
        SELECT (e.v).user_id, (e.v).livemode, e.event_seq, 'verification.expired', (e.v).id,
               verification_json(e.v, CASE WHEN (e.v).message_count > 0 THEN messages_json((e.v).id) ELSE '[]' END), moment
        FROM ended e
    )
    SELECT s.user_id, s.livemode, sum(s.released)::integer, sum(s.closed)::integer,
           coalesce(array_agg(s.late) FILTER (WHERE s.late IS NOT NULL), '{}')
    FROM (SELECT (e.v).user_id, (e.v).livemode, 1 AS released, 0 AS closed,
                 extract(epoch FROM moment - (e.v).expires_at)::double precision AS late FROM ended e
          UNION ALL SELECT f.user_id, f.livemode, 0, 1, NULL FROM finished f) s
    GROUP BY 1, 2;
END $$;

-- The customer is done with a completed verification: its number becomes free before the time is up.
CREATE OR REPLACE FUNCTION verification_finish(
    p_id text, p_user text, p_live boolean, p_pause integer, p_at timestamptz, OUT outcome text, OUT body text
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    v verifications;
BEGIN
    SELECT * INTO v FROM verifications WHERE id = p_id AND user_id = p_user AND livemode = p_live FOR UPDATE;
    outcome := CASE
        WHEN v.id IS NULL THEN 'not_found'
        WHEN v.status <> 'completed' THEN v.status
        WHEN v.closed_at IS NOT NULL THEN 'unchanged'
        ELSE 'finished' END;
    IF outcome = 'finished' THEN
        UPDATE verifications x SET closed_at = least(moment, x.expires_at), sweep_at = NULL WHERE x.id = p_id RETURNING * INTO v;
        PERFORM number_free(v.number_id, v.id, p_pause, moment) WHERE v.number_id IS NOT NULL;
        PERFORM provider_order_close(p_id, 'provider_finish') WHERE v.provider <> 'inventory';
    END IF;
    body := verification_json(v, messages_json(p_id));
    IF outcome = 'finished' THEN
        PERFORM event_append(p_user, p_live, event_next(p_user, p_live), 'verification.finished', p_id, body, moment);
    END IF;
END $$;

-- A note on the quality of the number; it refunds nothing by itself.
CREATE OR REPLACE FUNCTION verification_report(
    p_id text, p_user text, p_live boolean, p_reason text, p_at timestamptz, OUT outcome text, OUT body text
) LANGUAGE plpgsql AS $$
DECLARE
    v verifications;
BEGIN
    UPDATE verifications x SET reported_at = coalesce(p_at, clock_timestamp()), report_reason = p_reason
    WHERE x.id = p_id AND x.user_id = p_user AND x.livemode = p_live AND x.number IS NOT NULL RETURNING * INTO v;
    IF NOT FOUND THEN
        SELECT * INTO v FROM verifications x WHERE x.id = p_id AND x.user_id = p_user AND x.livemode = p_live;
        outcome := CASE WHEN v.id IS NULL THEN 'not_found' ELSE 'no_number' END;
        RETURN;
    END IF;
    outcome := 'reported';
    body := verification_json(v, messages_json(p_id));
END $$;
