-- Starting a verification. On a refusal nothing has moved: it is either found out before the first write, or raised.
-- The functions that customers wait for keep one plan a connection, made of indexes alone: planning anew took a third of
-- a purchase, and a plan made while a table was empty would read the whole of it until the next ANALYZE.

-- What the order would cost this customer, and which limits hold; `refusal` says why there can be no order.
CREATE OR REPLACE FUNCTION verification_quote(
    p_user text, p_live boolean, p_service text, p_country text, p_operator text, p_max_price bigint,
    OUT refusal text, OUT service_id integer, OUT price bigint, OUT plan plans, OUT available bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    s record;
BEGIN
    SELECT sv.id, sv.blocked, sv.stopped_at, sv.sandbox, price_micros(sv, c, p_operator, pl.discount_bp) AS price, pl AS plan,
           u.disabled_at, w.balance_micros - w.held_micros AS available, c.code
    INTO s
    FROM users u
    JOIN plans pl ON pl.slug = u.plan
    JOIN wallets w ON w.user_id = u.id AND w.livemode = p_live
    LEFT JOIN services sv ON sv.slug = p_service
    LEFT JOIN countries c ON c.code = p_country
    WHERE u.id = p_user;
    service_id := s.id;
    price := s.price;
    plan := s.plan;
    IF NOT p_live AND s.plan IS NOT NULL THEN
        -- A test suite buys what it likes: the plan's limits guard real numbers and real money. Only a loop is stopped.
        plan.max_concurrent := 1000;
        plan.max_per_hour := 100000;
        plan.daily_spend_micros := 1000000000000;
        plan.min_delivery_bp := 0;
    END IF;
    available := s.available;
    refusal := CASE
        WHEN s.plan IS NULL OR s.disabled_at IS NOT NULL THEN 'account_disabled'
        WHEN s.id IS NULL OR (s.sandbox AND p_live) THEN 'unknown_service'
        WHEN s.code IS NULL THEN 'unknown_country'
        WHEN s.blocked THEN 'service_blocked'
        WHEN s.stopped_at IS NOT NULL THEN 'service_stopped'
        WHEN s.price > p_max_price THEN 'price_above_max'
        WHEN s.available < s.price THEN 'insufficient_funds'
    END;
END $$;

-- What is known of an idempotency key: nothing, or 'mismatch', 'running', or 'replayed' with the stored answer.
CREATE OR REPLACE FUNCTION idempotency_look(
    p_user text, p_live boolean, p_key text, p_fingerprint bytea, OUT outcome text, OUT status smallint, OUT body text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    k idempotency_keys;
BEGIN
    SELECT * INTO k FROM idempotency_keys i WHERE i.user_id = p_user AND i.livemode = p_live AND i.key = p_key;
    IF FOUND THEN
        outcome := CASE WHEN k.fingerprint <> p_fingerprint THEN 'mismatch' WHEN k.status IS NULL THEN 'running' ELSE 'replayed' END;
        status := k.status;
        body := k.body;
    END IF;
END $$;

-- A key with a daily cap of its own pays into its day's sum; raises NM429 when that is full.
CREATE OR REPLACE FUNCTION api_key_spend_add(p_key text, p_amount bigint, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    cap bigint;
BEGIN
    SELECT daily_spend_cap_micros INTO cap FROM api_keys WHERE id = p_key;
    IF cap IS NULL THEN
        RETURN;
    END IF;
    IF p_amount <= cap THEN
        INSERT INTO api_key_spend AS s VALUES (p_key, (p_now AT TIME ZONE 'UTC')::date, p_amount)
        ON CONFLICT (key_id, day) DO UPDATE SET spent_micros = s.spent_micros + p_amount WHERE s.spent_micros + p_amount <= cap;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    RAISE EXCEPTION 'key_spend' USING ERRCODE = 'NM429', DETAIL = json_build_object('limit', cap,
        'retry_after', ceil(extract(epoch FROM date_trunc('day', p_now AT TIME ZONE 'UTC') + interval '1 day' - (p_now AT TIME ZONE 'UTC'))));
END $$;

-- How every purchase begins: `outcome` is what there is to say instead of buying (a replay, or a refusal), else NULL.
-- VOLATILE, as it must see what was committed while it waited for the lock.
CREATE OR REPLACE FUNCTION verification_admit(
    p_user text, p_live boolean, p_service text, p_country text, p_operator text, p_max_price bigint,
    p_idempotency text, p_fingerprint bytea,
    OUT outcome text, OUT status smallint, OUT body text,
    OUT service_id integer, OUT price bigint, OUT plan plans, OUT available bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    q record;
BEGIN
    IF p_idempotency IS NOT NULL THEN
        -- The same request at the same instant waits for the first one's end: else it could be told that there is no number
        -- left, when the other one has just taken the last for it.
        PERFORM pg_advisory_xact_lock(hashtextextended(p_user || p_idempotency, 0));
        SELECT * INTO outcome, status, body FROM idempotency_look(p_user, p_live, p_idempotency, p_fingerprint);
        IF outcome IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    SELECT * INTO q FROM verification_quote(p_user, p_live, p_service, p_country, p_operator, p_max_price);
    outcome := q.refusal;
    service_id := q.service_id;
    price := q.price;
    plan := q.plan;
    available := q.available;
END $$;

-- The whole purchase of one of our own numbers: limits, money, number, verification, event, idempotency, in one statement.
CREATE OR REPLACE FUNCTION verification_start_own(
    p_id text, p_txn text, p_user text, p_live boolean, p_key text, p_service text, p_country text, p_operator text, p_area text,
    p_capability text, p_max_price bigint, p_metadata jsonb, p_idempotency text, p_fingerprint bytea, p_minutes double precision,
    p_reuse_of text, p_at timestamptz,
    OUT outcome text, OUT status smallint, OUT body text, OUT price bigint, OUT available bigint
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    q record;
    n numbers;
    v verifications;
    seq bigint;
BEGIN
    q := verification_admit(p_user, p_live, p_service, p_country, p_operator, p_max_price, p_idempotency, p_fingerprint);
    outcome := q.outcome;
    status := q.status;
    body := q.body;
    price := q.price;
    available := q.available;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    IF p_reuse_of IS NULL THEN
        n := number_take(q.service_id, p_country, p_operator, p_area, p_capability = 'voice', p_id, moment);
    ELSE
        n := number_take_again(q.service_id, (SELECT o.number_id FROM verifications o WHERE o.id = p_reuse_of), p_reuse_of, p_id, moment);
    END IF;
    IF n.id IS NULL THEN
        outcome := 'no_numbers';
        RETURN;
    END IF;
    INSERT INTO verifications (id, user_id, livemode, status, service_id, service, country, operator, area_code, capability, provider,
        number_id, number, price_micros, hold_id, api_key_id, created_at, pending_at, can_cancel_at, expires_at, sweep_at,
        estimated_delivery_seconds, reuse_of, metadata)
    VALUES (p_id, p_user, p_live, 'pending', q.service_id, p_service, p_country, n.operator, n.area_code, p_capability, 'inventory',
        n.id, n.e164, q.price, p_txn, p_key, moment, moment, moment, moment + make_interval(secs => p_minutes * 60),
        moment + make_interval(secs => p_minutes * 60),
        (SELECT o.median_seconds FROM offers o WHERE o.service_id = q.service_id AND o.country = p_country
            AND o.operator = n.operator AND o.provider = 'inventory'),
        p_reuse_of, p_metadata)
    RETURNING * INTO v;
    body := verification_json(v, '[]');
    IF p_key IS NOT NULL THEN
        PERFORM api_key_spend_add(p_key, q.price, moment);
    END IF;
    IF p_idempotency IS NOT NULL THEN
        INSERT INTO idempotency_keys VALUES (p_user, p_live, p_idempotency, p_fingerprint, p_id, 201, body, moment);
    END IF;
    -- The wallet's row is where buyers of one account queue: it is locked as late as possible.
    seq := ledger_hold(p_txn, p_user, p_live, q.price, p_id, v.expires_at, p_user, moment, (q.plan).max_concurrent,
                       (q.plan).max_per_hour, (q.plan).daily_spend_micros, (q.plan).min_delivery_bp, 1);
    PERFORM event_append(p_user, p_live, seq, 'verification.pending', p_id, body, moment);
    outcome := 'started';
    status := 201;
END $$;

-- The first half of a purchase from an upstream: the hold is taken and the question written down before it is asked.
CREATE OR REPLACE FUNCTION verification_request(
    p_id text, p_txn text, p_user text, p_live boolean, p_key text, p_service text, p_country text, p_operator text, p_area text,
    p_capability text, p_max_price bigint, p_metadata jsonb, p_idempotency text, p_fingerprint bytea, p_minutes double precision,
    p_provider text, p_at timestamptz,
    OUT outcome text, OUT status smallint, OUT body text, OUT price bigint, OUT available bigint
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    q record;
    deadline timestamptz := moment + make_interval(secs => p_minutes * 60);
BEGIN
    q := verification_admit(p_user, p_live, p_service, p_country, p_operator, p_max_price, p_idempotency, p_fingerprint);
    outcome := q.outcome;
    status := q.status;
    body := q.body;
    price := q.price;
    available := q.available;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    INSERT INTO verifications (id, user_id, livemode, status, service_id, service, country, operator, area_code, capability, provider,
        price_micros, hold_id, api_key_id, created_at, can_cancel_at, expires_at, sweep_at, estimated_delivery_seconds, metadata)
    VALUES (p_id, p_user, p_live, 'requesting', q.service_id, p_service, p_country, p_operator, p_area, p_capability, p_provider,
        q.price, p_txn, p_key, moment, moment, deadline, deadline,
        (SELECT o.median_seconds FROM offers o WHERE o.service_id = q.service_id AND o.country = p_country
            AND o.operator = p_operator AND o.provider = p_provider),
        p_metadata);
    INSERT INTO provider_orders (verification_id, provider, state, asked_at) VALUES (p_id, p_provider, 'asking', moment);
    IF p_key IS NOT NULL THEN
        PERFORM api_key_spend_add(p_key, q.price, moment);
    END IF;
    IF p_idempotency IS NOT NULL THEN
        INSERT INTO idempotency_keys VALUES (p_user, p_live, p_idempotency, p_fingerprint, p_id, NULL, NULL, moment);
    END IF;
    PERFORM ledger_hold(p_txn, p_user, p_live, q.price, p_id, deadline, p_user, moment, (q.plan).max_concurrent,
                        (q.plan).max_per_hour, (q.plan).daily_spend_micros, (q.plan).min_delivery_bp, 0);
    outcome := 'requested';
END $$;

-- Stores the answer of a request that ended, for the replays of its idempotency key; does nothing where there was no key.
CREATE OR REPLACE FUNCTION idempotency_store(p_verification text, p_user text, p_live boolean, p_key text, p_status integer, p_body text)
RETURNS void LANGUAGE sql AS $$
    UPDATE idempotency_keys SET status = p_status, body = p_body
    WHERE user_id = p_user AND livemode = p_live AND key = p_key AND verification_id = p_verification AND status IS NULL
$$;

-- The second half: the upstream has sold us a number. 'gone' means the order ended meanwhile; then a job gives it back there.
CREATE OR REPLACE FUNCTION verification_assign(
    p_id text, p_number text, p_reference text, p_operator text, p_can_cancel_at timestamptz, p_expires_at timestamptz,
    p_late_seconds integer, p_idempotency text, p_at timestamptz, OUT outcome text, OUT body text, OUT user_id text, OUT livemode boolean
) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    moment timestamptz := coalesce(p_at, clock_timestamp());
    v verifications;
BEGIN
    SELECT * INTO v FROM verifications WHERE id = p_id FOR UPDATE;
    user_id := v.user_id;
    livemode := v.livemode;
    IF v.status <> 'requesting' THEN
        -- poll_at was the lease of whoever looked it up; left standing it would have the order polled for ever.
        UPDATE provider_orders SET reference = p_reference, state = 'closed', poll_at = NULL
        WHERE verification_id = p_id AND reference IS NULL;
        IF FOUND THEN
            INSERT INTO jobs (kind, unique_key, payload) VALUES ('provider_cancel', 'provider_cancel:' || p_id,
                json_build_object('provider', v.provider, 'reference', p_reference)) ON CONFLICT (unique_key) DO NOTHING;
        END IF;
        outcome := 'gone';
        RETURN;
    END IF;
    UPDATE verifications x SET status = 'pending', number = p_number, operator = coalesce(nullif(p_operator, ''), x.operator),
        pending_at = moment, can_cancel_at = coalesce(p_can_cancel_at, moment),
        expires_at = least(x.expires_at, p_expires_at), sweep_at = least(x.expires_at, p_expires_at)
    WHERE x.id = p_id RETURNING * INTO v;
    UPDATE provider_orders SET reference = p_reference, state = 'open', poll_at = moment,
        poll_until = v.expires_at + make_interval(secs => p_late_seconds)
    WHERE verification_id = p_id;
    body := verification_json(v, '[]');
    PERFORM idempotency_store(p_id, v.user_id, v.livemode, p_idempotency, 201, body);
    PERFORM event_append(v.user_id, v.livemode, event_next(v.user_id, v.livemode), 'verification.pending', p_id, body, moment);
    outcome := 'assigned';
END $$;

-- The upstream may or may not have sold us a number: it is looked up there later, never bought again blindly.
CREATE OR REPLACE FUNCTION verification_unknown(p_id text, p_idempotency text, OUT body text) LANGUAGE plpgsql AS $$
DECLARE
    v verifications;
BEGIN
    UPDATE provider_orders SET state = 'unknown' WHERE verification_id = p_id AND state = 'asking';
    SELECT * INTO v FROM verifications WHERE id = p_id;
    body := verification_json(v, '[]');
    PERFORM idempotency_store(p_id, v.user_id, v.livemode, p_idempotency, 201, body);
END $$;
