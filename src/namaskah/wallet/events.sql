-- Events are numbered per wallet under the wallet's row lock: the numbers have no gaps and follow the commits.

CREATE OR REPLACE FUNCTION event_append(
    p_user text, p_live boolean, p_seq bigint, p_type text, p_object text, p_data text, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (user_id, livemode, seq, type, object_id, data, created_at)
    VALUES (p_user, p_live, p_seq, p_type, p_object, p_data, p_now);
END $$;

-- The next number for an event that moves no money.
CREATE OR REPLACE FUNCTION event_next(p_user text, p_live boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    following bigint;
BEGIN
    UPDATE wallets SET event_seq = event_seq + 1 WHERE user_id = p_user AND livemode = p_live RETURNING event_seq INTO following;
    RETURN following;
END $$;

-- What came after the last event that the readers of some wallets have, at most 200 each. A function because it keeps its
-- plan: a statement with arrays is planned anew at every call, which took twice as long as reading.
CREATE OR REPLACE FUNCTION events_since(p_users text[], p_live boolean[], p_seqs bigint[])
RETURNS TABLE (
    user_id text, livemode boolean, seq bigint, type text, object_id text, data text, created_at timestamptz, traceparent text
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    SELECT e.user_id, e.livemode, e.seq, e.type, e.object_id, e.data, e.created_at, e.traceparent
    FROM unnest(p_users, p_live, p_seqs) AS k (user_id, livemode, seq),
         LATERAL (SELECT * FROM events x WHERE x.user_id = k.user_id AND x.livemode = k.livemode AND x.seq > k.seq
                  ORDER BY x.seq LIMIT 200) e
    ORDER BY e.user_id, e.livemode, e.seq;
END $$;

-- The same as the release before this one reads it, which may run beside us while a new one is rolled out.
CREATE OR REPLACE FUNCTION events_after(p_users text[], p_live boolean[], p_seqs bigint[])
RETURNS TABLE (user_id text, livemode boolean, seq bigint, type text, object_id text, data text, created_at timestamptz)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
    SELECT e.user_id, e.livemode, e.seq, e.type, e.object_id, e.data, e.created_at
    FROM unnest(p_users, p_live, p_seqs) AS k (user_id, livemode, seq),
         LATERAL (SELECT * FROM events x WHERE x.user_id = k.user_id AND x.livemode = k.livemode AND x.seq > k.seq
                  ORDER BY x.seq LIMIT 200) e
    ORDER BY e.user_id, e.livemode, e.seq;
END $$;
