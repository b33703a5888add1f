-- Allocation of our own numbers: one look at a small pool of what is on sale, from a random slot on, passing over
-- what others have locked. number_uses is the backstop for "never the same number twice for the same service".

-- Puts the next numbers of the country on sale for the service; answers how many, or NULL when somebody else has just done
-- so. p_wait: wait for whoever is at it. p_look bounds the numbers looked at.
CREATE OR REPLACE FUNCTION number_pool_refill(p_service integer, p_country text, p_wait boolean, p_look integer, p_now timestamptz)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    before number_pool_cursors;
    place number_pool_cursors;
    added integer := 0;
    looked integer := 0;
    last_id bigint;
BEGIN
    SELECT * INTO before FROM number_pool_cursors WHERE service_id = p_service AND country = p_country;
    IF NOT FOUND THEN
        -- Every service begins somewhere else: were it at the first number, all would sell the same few at the same time.
        INSERT INTO number_pool_cursors (service_id, country, number_id)
        SELECT p_service, p_country, coalesce(min(id) + floor(random() * (max(id) - min(id) + 1))::bigint - 1, 0)
        FROM numbers WHERE country = p_country
        ON CONFLICT DO NOTHING RETURNING * INTO before;
    END IF;
    IF p_wait THEN
        SELECT * INTO place FROM number_pool_cursors WHERE service_id = p_service AND country = p_country FOR UPDATE;
    ELSE
        SELECT * INTO place FROM number_pool_cursors WHERE service_id = p_service AND country = p_country FOR UPDATE SKIP LOCKED;
    END IF;
    IF place IS DISTINCT FROM before THEN
        RETURN NULL;
    END IF;
    WHILE added < 1000 AND looked < p_look LOOP
        -- NOT IN is safe, as no id is NULL, and it becomes a hash table whatever the statistics say; NOT EXISTS was
        -- planned as a walk over the whole pool for each number while the tables were young.
        WITH chunk AS MATERIALIZED (
            SELECT id, retired_at, busy FROM numbers WHERE country = p_country AND id > place.number_id ORDER BY id LIMIT 1000
        ), fresh AS (
            INSERT INTO number_pool (service_id, country, slot, number_id)
            SELECT p_service, p_country, floor(random() * 2147483647)::integer, c.id
            FROM chunk c
            WHERE c.retired_at IS NULL
              -- Where there are many, those that are busy now are left for the next round: what one service has bought lies
              -- side by side, and a pool full of it would be searched in vain by every buyer of another.
              AND NOT (c.busy AND (SELECT count(*) FROM chunk) = 1000)
              AND c.id NOT IN (SELECT u.number_id FROM number_uses u WHERE u.service_id = p_service
                               AND u.number_id > place.number_id AND u.number_id <= (SELECT max(id) FROM chunk))
              AND c.id NOT IN (SELECT p.number_id FROM number_pool p
                               WHERE place.rescanned_at > '-infinity' AND p.service_id = p_service AND p.country = p_country)
            RETURNING 1
        )
        SELECT added + (SELECT count(*) FROM fresh), (SELECT max(id) FROM chunk) INTO added, last_id;
        IF last_id IS NOT NULL THEN
            place.number_id := last_id;
            looked := looked + 1000;
        ELSIF place.rescanned_at < p_now - interval '1 minute' THEN
            -- Around again, for what lies before the beginning and what became visible behind the cursor (added by a long
            -- transaction, or taken back into service); once a minute, so that a sold-out service cannot search all day.
            place.number_id := 0;
            place.rescanned_at := p_now;
        ELSE
            EXIT;
        END IF;
    END LOOP;
    UPDATE number_pool_cursors SET number_id = place.number_id, rescanned_at = place.rescanned_at
    WHERE service_id = p_service AND country = p_country AND place IS DISTINCT FROM before;
    RETURN added;
END $$;

-- One look at the pool from a slot on. A literal LIMIT: a parameter there made PostgreSQL plan for everything.
-- Only the number is locked: whoever takes a number out of a pool has its lock, and the condition is read again under it.
-- In plpgsql because that keeps its plan: an SQL function is planned anew at every call.
CREATE OR REPLACE FUNCTION number_pool_look(
    p_service integer, p_country text, p_operator text, p_area text, p_voice boolean, p_from integer, p_now timestamptz,
    OUT found_id bigint, OUT found_slot integer
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT n.id, p.slot INTO found_id, found_slot
    FROM number_pool p JOIN numbers n ON n.id = p.number_id
    WHERE p.service_id = p_service AND p.country = p_country AND p.slot >= p_from
      AND NOT n.busy AND n.free_at <= p_now AND n.retired_at IS NULL
      AND (p_operator = '' OR n.operator = p_operator) AND (p_area = '' OR n.area_code = p_area) AND (NOT p_voice OR n.voice)
    ORDER BY p.slot LIMIT 1
    FOR UPDATE OF n SKIP LOCKED;
END $$;

-- Takes a free number that was never used for the service and marks it as the verification's; no row when there is none.
CREATE OR REPLACE FUNCTION number_take(
    p_service integer, p_country text, p_operator text, p_area text, p_voice boolean, p_verification text, p_now timestamptz
) RETURNS numbers LANGUAGE plpgsql AS $$
DECLARE
    start integer := floor(random() * 2147483647)::integer;
    added integer;
    picked record;
    taken numbers;
BEGIN
    picked := number_pool_look(p_service, p_country, p_operator, p_area, p_voice, start, p_now);
    IF picked.found_id IS NULL THEN
        -- Finding nothing up to the end happens once in as many purchases as the pool has rows: a sign that it runs low.
        IF (SELECT count(*) FROM (SELECT FROM number_pool WHERE service_id = p_service AND country = p_country LIMIT 500) few) < 500 THEN
            PERFORM number_pool_refill(p_service, p_country, false, 5000, p_now);
        END IF;
        picked := number_pool_look(p_service, p_country, p_operator, p_area, p_voice, 0, p_now);
    END IF;
    FOR attempt IN 1..5 LOOP
        EXIT WHEN picked.found_id IS NOT NULL OR added = 0;
        -- NULL means that somebody else has filled the pool while we waited: look, and go on when it is empty again.
        added := number_pool_refill(p_service, p_country, true, 100000, p_now);
        picked := number_pool_look(p_service, p_country, p_operator, p_area, p_voice, 0, p_now);
    END LOOP;
    IF picked.found_id IS NULL AND (p_operator <> '' OR p_area <> '' OR p_voice) THEN
        -- The pool is a sample: a wish that none of its numbers meets may be met by one of the others.
        SELECT n.id AS found_id, NULL::integer AS found_slot INTO picked FROM numbers n
        WHERE n.country = p_country AND (p_operator = '' OR n.operator = p_operator) AND (p_area = '' OR n.area_code = p_area)
          AND (NOT p_voice OR n.voice) AND NOT n.busy AND n.free_at <= p_now AND n.retired_at IS NULL
          AND NOT EXISTS (SELECT FROM number_uses u WHERE u.service_id = p_service AND u.number_id = n.id)
        LIMIT 1 FOR UPDATE OF n SKIP LOCKED;
    END IF;
    IF picked.found_id IS NULL THEN
        RETURN NULL;
    END IF;
    IF picked.found_slot IS NULL THEN
        DELETE FROM number_pool WHERE service_id = p_service AND country = p_country AND number_id = picked.found_id;
    ELSE
        DELETE FROM number_pool
        WHERE service_id = p_service AND country = p_country AND slot = picked.found_slot AND number_id = picked.found_id;
    END IF;
    INSERT INTO number_uses VALUES (p_service, picked.found_id, p_verification) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- It was sold by way of a wish while the pool was being filled with it; its place there has just been cleared.
        RETURN number_take(p_service, p_country, p_operator, p_area, p_voice, p_verification, p_now);
    END IF;
    UPDATE numbers SET busy = true, verification_id = p_verification WHERE id = picked.found_id RETURNING * INTO taken;
    RETURN taken;
END $$;

-- Takes the number of an earlier verification again, for the person who used it last and for no one else.
CREATE OR REPLACE FUNCTION number_take_again(p_service integer, p_number bigint, p_before text, p_verification text, p_now timestamptz)
RETURNS numbers LANGUAGE plpgsql AS $$
DECLARE
    taken numbers;
BEGIN
    UPDATE numbers SET busy = true, verification_id = p_verification
    WHERE id = p_number AND NOT busy AND retired_at IS NULL AND (verification_id = p_before OR free_at <= p_now)
      AND EXISTS (SELECT FROM number_uses WHERE service_id = p_service AND number_id = p_number AND verification_id = p_before)
    RETURNING * INTO taken;
    IF FOUND THEN
        UPDATE number_uses SET verification_id = p_verification WHERE service_id = p_service AND number_id = p_number;
    END IF;
    RETURN taken;
END $$;

-- Ends a verification's hold on its number. The pause keeps a late SMS of the last user from the next one.
CREATE OR REPLACE FUNCTION number_free(p_number bigint, p_verification text, p_pause_seconds integer, p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE numbers SET busy = false, free_at = p_now + make_interval(secs => p_pause_seconds)
    WHERE id = p_number AND verification_id = p_verification AND busy;
END $$;
