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
