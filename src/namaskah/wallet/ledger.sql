-- The SQL that moves money, written once. Other domains' functions call these; nobody retypes them.
-- Accounts: 1 available, 2 held, 3 revenue, 4 funding, 5 promotions.

-- Books one movement: the statement's line and its entries, which sum to zero.
CREATE OR REPLACE FUNCTION ledger_book(
    p_txn text, p_user text, p_live boolean, p_type text, p_amount bigint, p_balance bigint, p_available bigint,
    p_verification text, p_deadline timestamptz, p_reason text, p_actor text, p_now timestamptz,
    p_from smallint, p_to smallint, p_moved bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, user_id, livemode, type, amount_micros, balance_after_micros, available_after_micros,
                              verification_id, hold_deadline_at, reason, actor_id, created_at)
    VALUES (p_txn, p_user, p_live, p_type, p_amount, p_balance, p_available, p_verification, p_deadline, p_reason, p_actor, p_now);
    INSERT INTO entries VALUES (p_txn, p_from, -p_moved), (p_txn, p_to, p_moved);
END $$;

-- Takes a hold, and with it every limit: the conditions stand in the WHERE of the one UPDATE, where concurrent buyers
-- queue on the wallet's row. Answers the wallet's next event number. Raises NM402 or NM429, which undoes the caller's work.
CREATE OR REPLACE FUNCTION ledger_hold(
    p_txn text, p_user text, p_live boolean, p_amount bigint, p_verification text, p_deadline timestamptz, p_actor text,
    p_now timestamptz, p_max_open integer, p_max_hour integer, p_max_day bigint, p_min_delivery_bp integer, p_events integer
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    w wallets;
BEGIN
    UPDATE wallets SET
        held_micros = held_micros + p_amount,
        open_count = open_count + 1,
        hour_started_at = CASE WHEN hour_started_at > p_now - interval '1 hour' THEN hour_started_at ELSE p_now END,
        hour_count = CASE WHEN hour_started_at > p_now - interval '1 hour' THEN hour_count + 1 ELSE 1 END,
        day_started_on = (p_now AT TIME ZONE 'UTC')::date,
        day_spent_micros = CASE WHEN day_started_on = (p_now AT TIME ZONE 'UTC')::date THEN day_spent_micros ELSE 0 END + p_amount,
        event_seq = event_seq + p_events
    WHERE user_id = p_user AND livemode = p_live
      AND balance_micros - held_micros >= p_amount
      AND open_count < p_max_open
      -- Whoever receives too few codes is slowed down to a tenth, not shut out: else the share could never recover.
      AND (hour_started_at <= p_now - interval '1 hour' OR hour_count <
           CASE WHEN judged_count >= 50 AND judged_codes::bigint * 10000 < p_min_delivery_bp::bigint * judged_count
                THEN greatest(p_max_hour / 10, 1) ELSE p_max_hour END)
      AND CASE WHEN day_started_on = (p_now AT TIME ZONE 'UTC')::date THEN day_spent_micros ELSE 0 END + p_amount <= p_max_day
    RETURNING * INTO w;
    IF NOT FOUND THEN
        PERFORM ledger_refuse(p_user, p_live, p_amount, p_now, p_max_open, p_max_hour, p_max_day, p_min_delivery_bp);
    END IF;
    PERFORM ledger_book(p_txn, p_user, p_live, 'hold', -p_amount, w.balance_micros, w.balance_micros - w.held_micros,
                        p_verification, p_deadline, '', p_actor, p_now, 1::smallint, 2::smallint, p_amount);
    RETURN w.event_seq;
END $$;

-- Says why a hold was refused, and undoes whatever the caller had begun.
CREATE OR REPLACE FUNCTION ledger_refuse(
    p_user text, p_live boolean, p_amount bigint, p_now timestamptz,
    p_max_open integer, p_max_hour integer, p_max_day bigint, p_min_delivery_bp integer
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    w wallets;
    in_hour boolean;
BEGIN
    SELECT * INTO w FROM wallets WHERE user_id = p_user AND livemode = p_live;
    in_hour := w.hour_started_at > p_now - interval '1 hour';
    IF w.balance_micros IS NULL OR w.balance_micros - w.held_micros < p_amount THEN
        RAISE EXCEPTION 'insufficient_funds' USING ERRCODE = 'NM402',
            DETAIL = json_build_object('available', coalesce(w.balance_micros - w.held_micros, 0), 'price', p_amount);
    ELSIF w.open_count >= p_max_open THEN
        RAISE EXCEPTION 'too_many_open' USING ERRCODE = 'NM429', DETAIL = json_build_object('limit', p_max_open, 'retry_after', 30);
    -- In parentheses, because PL/pgSQL takes the first bare THEN as the end of the condition.
    ELSIF (CASE WHEN w.day_started_on = (p_now AT TIME ZONE 'UTC')::date THEN w.day_spent_micros ELSE 0 END + p_amount > p_max_day) THEN
        RAISE EXCEPTION 'daily_spend' USING ERRCODE = 'NM429', DETAIL = json_build_object('limit', p_max_day,
            'retry_after', ceil(extract(epoch FROM date_trunc('day', p_now AT TIME ZONE 'UTC') + interval '1 day' - (p_now AT TIME ZONE 'UTC'))));
    ELSIF w.judged_count >= 50 AND w.judged_codes::bigint * 10000 < p_min_delivery_bp::bigint * w.judged_count
          AND in_hour AND w.hour_count >= greatest(p_max_hour / 10, 1) THEN
        RAISE EXCEPTION 'low_delivery_share' USING ERRCODE = 'NM429', DETAIL = json_build_object('limit', greatest(p_max_hour / 10, 1),
            'retry_after', ceil(extract(epoch FROM w.hour_started_at + interval '1 hour' - p_now)));
    ELSIF in_hour AND w.hour_count >= p_max_hour THEN
        RAISE EXCEPTION 'too_many_an_hour' USING ERRCODE = 'NM429', DETAIL = json_build_object('limit', p_max_hour,
            'retry_after', ceil(extract(epoch FROM w.hour_started_at + interval '1 hour' - p_now)));
    ELSE
        -- Another buyer's hold ended between the UPDATE and this look: nothing is wrong any more, ask again.
        RAISE EXCEPTION 'try_again' USING ERRCODE = 'NM429', DETAIL = json_build_object('limit', 0, 'retry_after', 1);
    END IF;
END $$;

-- Keeps a hold's money: the code came. The primary key of hold_resolutions refuses the second resolution.
CREATE OR REPLACE FUNCTION ledger_capture(
    p_txn text, p_hold text, p_user text, p_live boolean, p_amount bigint, p_verification text, p_actor text, p_now timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    w wallets;
BEGIN
    UPDATE wallets SET
        balance_micros = balance_micros - p_amount,
        held_micros = held_micros - p_amount,
        open_count = open_count - 1,
        judged_count = CASE WHEN judged_count >= 200 THEN judged_count / 2 ELSE judged_count END + 1,
        judged_codes = CASE WHEN judged_count >= 200 THEN judged_codes / 2 ELSE judged_codes END + 1,
        event_seq = event_seq + 1
    WHERE user_id = p_user AND livemode = p_live
    RETURNING * INTO w;
    PERFORM ledger_book(p_txn, p_user, p_live, 'capture', 0, w.balance_micros, w.balance_micros - w.held_micros,
                        p_verification, NULL, '', p_actor, p_now, 2::smallint, 3::smallint, p_amount);
    INSERT INTO hold_resolutions VALUES (p_hold, 'capture', p_txn);
    RETURN w.event_seq;
END $$;

-- One hold to give back, as ledger_release takes it.
DO $$ BEGIN
    CREATE TYPE hold_to_release AS (
        txn text, hold text, user_id text, livemode boolean, amount bigint, verification text, judged boolean, day date
    );
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Gives back any number of holds: locks the wallets in order of user_id, adds up first and updates each wallet once
-- (UPDATE ... FROM applies only one of several matching rows). Answers the event number of each.
CREATE OR REPLACE FUNCTION ledger_release(p_holds hold_to_release[], p_reason text, p_actor text, p_now timestamptz)
RETURNS TABLE (hold text, event_seq bigint) LANGUAGE plpgsql AS $$
BEGIN
    -- NO KEY: purchases that are under way have a foreign key's lock on the wallet long before they come to its update.
    PERFORM FROM wallets w
    WHERE (w.user_id, w.livemode) IN (SELECT DISTINCT h.user_id, h.livemode FROM unnest(p_holds) h)
    ORDER BY w.user_id, w.livemode FOR NO KEY UPDATE;

    RETURN QUERY
    WITH given AS (
        SELECT h.*, row_number() OVER wallet AS place, sum(h.amount) OVER wallet AS so_far
        FROM unnest(p_holds) h
        WINDOW wallet AS (PARTITION BY h.user_id, h.livemode ORDER BY h.verification)
    ), sums AS (
        SELECT h.user_id, h.livemode, sum(h.amount)::bigint AS amount, count(*)::integer AS holds,
               (count(*) FILTER (WHERE h.judged))::integer AS judged,
               (coalesce(sum(h.amount) FILTER (WHERE h.day = (p_now AT TIME ZONE 'UTC')::date), 0))::bigint AS today
        FROM unnest(p_holds) h GROUP BY 1, 2
    ), changed AS (
        UPDATE wallets w SET
            held_micros = w.held_micros - s.amount,
            open_count = w.open_count - s.holds,
            -- What never became a number was no purchase, so it does not count for the hour either.
            hour_count = greatest(w.hour_count - (s.holds - s.judged), 0),
            day_spent_micros = greatest(w.day_spent_micros
                - CASE WHEN w.day_started_on = (p_now AT TIME ZONE 'UTC')::date THEN s.today ELSE 0 END, 0),
            judged_count = CASE WHEN w.judged_count >= 200 THEN w.judged_count / 2 ELSE w.judged_count END + s.judged,
            judged_codes = CASE WHEN w.judged_count >= 200 THEN w.judged_codes / 2 ELSE w.judged_codes END,
            event_seq = w.event_seq + s.holds
        FROM sums s WHERE w.user_id = s.user_id AND w.livemode = s.livemode
        RETURNING w.user_id, w.livemode, w.balance_micros,
                  w.balance_micros - w.held_micros - s.amount AS available_before, w.event_seq - s.holds AS seq_before
    ), booked AS (
        INSERT INTO transactions (id, user_id, livemode, type, amount_micros, balance_after_micros, available_after_micros,
                                  verification_id, reason, actor_id, created_at)
        SELECT g.txn, g.user_id, g.livemode, 'release', g.amount, c.balance_micros, c.available_before + g.so_far,
               g.verification, p_reason, p_actor, p_now
        FROM given g JOIN changed c USING (user_id, livemode)
    ), moved AS (
        INSERT INTO entries
        SELECT g.txn, side.account::smallint, g.amount * side.sign
        FROM given g CROSS JOIN (VALUES (2, -1), (1, 1)) AS side (account, sign)
    ), resolved AS (
        INSERT INTO hold_resolutions SELECT g.hold, 'release', g.txn FROM given g
    )
    SELECT g.hold, c.seq_before + g.place FROM given g JOIN changed c USING (user_id, livemode);
END $$;

-- Money comes in or goes out by an operator, a payment or a promotion. p_account is the house's side (3, 4 or 5).
-- Answers the wallet's event number; raises NM402 when a debit asks for more than is available.
CREATE OR REPLACE FUNCTION ledger_adjust(
    p_txn text, p_user text, p_live boolean, p_type text, p_amount bigint, p_reason text, p_actor text, p_account smallint,
    p_now timestamptz
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    w wallets;
BEGIN
    UPDATE wallets SET balance_micros = balance_micros + p_amount, event_seq = event_seq + 1
    WHERE user_id = p_user AND livemode = p_live AND balance_micros - held_micros + p_amount >= 0
    RETURNING * INTO w;
    IF NOT FOUND THEN
        SELECT * INTO w FROM wallets WHERE user_id = p_user AND livemode = p_live;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no_such_wallet' USING ERRCODE = 'NM404';
        END IF;
        RAISE EXCEPTION 'insufficient_funds' USING ERRCODE = 'NM402',
            DETAIL = json_build_object('available', w.balance_micros - w.held_micros, 'price', -p_amount);
    END IF;
    PERFORM ledger_book(p_txn, p_user, p_live, p_type, p_amount, w.balance_micros, w.balance_micros - w.held_micros,
                        NULL, NULL, p_reason, p_actor, p_now,
                        CASE WHEN p_amount > 0 THEN p_account ELSE 1::smallint END,
                        CASE WHEN p_amount > 0 THEN 1::smallint ELSE p_account END, abs(p_amount));
    INSERT INTO events (user_id, livemode, seq, type, object_id, data, created_at)
    VALUES (p_user, p_live, w.event_seq, 'wallet.updated', p_txn, wallet_json(w), p_now);
    RETURN w.event_seq;
END $$;
