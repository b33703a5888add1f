-- The number of the last change to what prices are made of: what caches are judged by (core/cache.py). It is the change's
-- time in microseconds, at least one more than before, so that a restored backup never gives a number out again.

-- Once a transaction is enough: all of its changes become visible together. Its row is locked last, and only operators'
-- changes take it. Ends with the news for every process.
CREATE OR REPLACE FUNCTION catalogue_changed() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changed text;
BEGIN
    INSERT INTO schema_state AS s (name, value)
    VALUES ('catalogue_generation', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text)
    ON CONFLICT (name) DO UPDATE SET value = greatest(s.value::bigint + 1, excluded.value::bigint)::text
        WHERE s.xmin <> pg_current_xact_id()::xid
    RETURNING s.value INTO changed;
    IF changed IS NOT NULL THEN
        PERFORM pg_notify('namaskah_catalog', changed);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION catalogue_changed_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM catalogue_changed();
    RETURN NULL;
END $$;

-- On the tables, so that a change by hand in psql is heard of like one by a verb.
CREATE OR REPLACE TRIGGER catalogue_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON services
FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed_trigger();
CREATE OR REPLACE TRIGGER catalogue_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON countries
FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed_trigger();
CREATE OR REPLACE TRIGGER catalogue_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON prices
FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed_trigger();
CREATE OR REPLACE TRIGGER catalogue_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON plans
FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed_trigger();

SELECT catalogue_changed();
