-- Old lines of the ledger leave behind a line that carries their sum forward. Only the database's owner can: the application
-- may delete nothing here, and whoever deletes is refused what the archive does not hold (the triggers of migration 07).

-- What a wallet paid for the archived orders, as one line and its entries at the time of the newest of them: of a hold and
-- its capture together remains available to revenue, of a hold and its release nothing.
CREATE OR REPLACE FUNCTION ledger_carry(
    p_txn text, p_user text, p_live boolean, p_captured bigint, p_balance bigint, p_available bigint, p_reason text, p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ledger_book(p_txn, p_user, p_live, 'debit', -p_captured, p_balance, p_available, NULL, NULL, p_reason, 'archive', p_at,
                        1::smallint, 3::smallint, p_captured);
END $$;

-- Takes archived holds and their ends out of the ledger; raises NM001 when one of them is not in the archive.
CREATE OR REPLACE FUNCTION ledger_remove_archived(p_holds text[], p_ends text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('namaskah.archiving', 'on', true);
    DELETE FROM entries WHERE transaction_id = ANY (p_holds || p_ends);
    DELETE FROM hold_resolutions WHERE hold_id = ANY (p_holds);
    DELETE FROM transactions WHERE id = ANY (p_holds || p_ends);
    PERFORM set_config('namaskah.archiving', 'off', true);
END $$;
