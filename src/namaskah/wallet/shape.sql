-- How money and a wallet look outside. Named to be installed after the ledger, whose bodies are only parsed when they run.

CREATE OR REPLACE FUNCTION amount_text(p_micros bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_micros % 10000 = 0 THEN to_char(p_micros / 10000 / 100.0, 'FM999999999990.00')
                ELSE rtrim(to_char(p_micros / 1000000.0, 'FM999999999990.000000'), '0') END
$$;

CREATE OR REPLACE FUNCTION money_json(p_micros bigint) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT ('{"amount":"' || amount_text(p_micros) || '","currency":"USD"}')::json
$$;

CREATE OR REPLACE FUNCTION wallet_json(w wallets) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'object', 'wallet',
        'balance', money_json(w.balance_micros),
        'held', money_json(w.held_micros),
        'available', money_json(w.balance_micros - w.held_micros),
        'livemode', w.livemode)::text
$$;
