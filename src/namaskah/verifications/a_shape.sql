-- How a verification looks outside. Built once here: it is the answer, the event's data and the idempotent replay.
-- Texts and codes are ciphertexts in base64; the application opens them, and takes the last code as the verification's.

-- RFC 3339 in UTC.
CREATE OR REPLACE FUNCTION utc_text(p_at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- At most 50, those with a code first: a number that is flooded must neither bury the code nor swell every event.
-- In plpgsql because that keeps its plan: an SQL function that cannot be inlined is planned anew at every call.
CREATE OR REPLACE FUNCTION messages_json(p_verification text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(json_agg(json_build_object(
        'id', m.id, 'from', m.sender, 'text', encode(m.text_encrypted, 'base64'), 'code', encode(m.code_encrypted, 'base64'),
        'received_at', utc_text(m.received_at), 'late', m.late) ORDER BY m.created_at, m.id)::text, '[]')
    FROM (SELECT * FROM messages x WHERE x.verification_id = p_verification AND NOT x.withheld
          ORDER BY x.has_code DESC, x.created_at, x.id LIMIT 50) m);
END $$;

CREATE OR REPLACE FUNCTION verification_json(v verifications, p_messages text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', v.id, 'object', 'verification', 'status', v.status, 'service', v.service, 'country', v.country,
        'operator', nullif(v.operator, ''), 'capability', v.capability, 'number', v.number,
        'price', money_json(v.price_micros), 'charged', v.charged, 'code', NULL, 'messages', p_messages::json,
        'created_at', utc_text(v.created_at), 'expires_at', utc_text(v.expires_at), 'can_cancel_at', utc_text(v.can_cancel_at),
        'completed_at', utc_text(v.code_received_at), 'closed_at', utc_text(v.closed_at),
        'estimated_delivery_seconds', round(v.estimated_delivery_seconds),
        'failure', v.failure, 'reuse_of', v.reuse_of, 'livemode', v.livemode, 'metadata', v.metadata)::text
$$;
