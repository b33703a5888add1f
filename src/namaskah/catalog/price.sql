-- The one formula of the price: what an operator has set, else the service's base price times the country's factor;
-- less the plan's discount. The two steps stand alone so that statements over many services can have them inlined.

-- Before the discount. A factor of 10000 is 1.0; what was not set by hand is rounded up to a whole cent.
CREATE OR REPLACE FUNCTION list_price_micros(p_set bigint, p_base bigint, p_factor_bp integer) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(p_set, (p_base * p_factor_bp + 99999999) / 100000000 * 10000)
$$;

-- After it, rounded down to a hundredth of a cent.
CREATE OR REPLACE FUNCTION discounted_micros(p_list bigint, p_discount_bp integer) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT p_list * (10000 - p_discount_bp) / 10000 / 100 * 100
$$;

-- What one order costs. A price set for the operator goes before one for the whole country.
-- In plpgsql because that keeps its plan: PostgreSQL plans a SQL function with a sub-select anew at every call (70 us).
CREATE OR REPLACE FUNCTION price_micros(s services, c countries, p_operator text, p_discount_bp integer) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN discounted_micros(list_price_micros(
        (SELECT p.price_micros FROM prices p WHERE p.service_id = s.id AND p.country = c.code AND p.operator IN (p_operator, '')
         ORDER BY p.operator DESC LIMIT 1),
        s.base_price_micros, c.price_factor_bp), p_discount_bp);
END $$;
