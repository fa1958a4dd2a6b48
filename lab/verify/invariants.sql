-- Invariants of money and customers, true at any moment. Each statement returns the number of violating rows.

-- name: seed
-- The seed is recorded, and none of its customers and contracts is missing; retention does not delete them.
SELECT coalesce((
    SELECT max_customer_id - (SELECT count(*) FROM customers WHERE customer_id <= max_customer_id)
        + max_contract_id - (SELECT count(*) FROM credit_contracts WHERE contract_id <= max_contract_id)
        + (NOT EXISTS (SELECT FROM credit_products))::int
    FROM seed_manifest
), 1)

-- name: open_amounts
-- Each contract's open_amount is the sum of its unpaid installments.
SELECT count(*) FROM (
    SELECT c.contract_id FROM credit_contracts c LEFT JOIN installments i USING (contract_id)
    GROUP BY c.contract_id
    HAVING c.open_amount <> coalesce(sum(i.principal + i.interest + i.fee) FILTER (WHERE i.status <> 'paid'), 0)
) broken

-- name: balances
-- Per contract: principal + interest + fees - payments = open_amount.
SELECT count(*)
FROM credit_contracts c
LEFT JOIN (
    SELECT contract_id, sum(principal + interest + fee) AS owed FROM installments GROUP BY contract_id
) i USING (contract_id)
LEFT JOIN (
    SELECT contract_id, sum(amount) AS paid FROM credit_transactions WHERE kind = 'payment' GROUP BY contract_id
) t USING (contract_id)
WHERE coalesce(i.owed, 0) - coalesce(t.paid, 0) <> c.open_amount

-- name: payments
-- Each paid installment has exactly one payment, of exactly its amount; an unpaid one has none.
SELECT count(*) FROM (
    SELECT i.installment_id FROM installments i LEFT JOIN credit_transactions t USING (installment_id)
    GROUP BY i.installment_id
    HAVING count(t.transaction_id) <> (i.status = 'paid')::int
        OR coalesce(sum(t.amount), 0) <> CASE i.status WHEN 'paid' THEN i.principal + i.interest + i.fee ELSE 0 END
) broken

-- name: disbursements
-- Each contract has exactly one disbursement, of exactly its principal.
SELECT count(*) FROM (
    SELECT c.contract_id FROM credit_contracts c
    LEFT JOIN credit_transactions t ON t.contract_id = c.contract_id AND t.kind = 'disbursement'
    GROUP BY c.contract_id
    HAVING count(t.transaction_id) <> 1 OR sum(t.amount) <> c.principal
) broken

-- name: schedules
-- Each contract has all its installments, and their principals sum to the contract's.
SELECT count(*) FROM (
    SELECT c.contract_id FROM credit_contracts c LEFT JOIN installments i USING (contract_id)
    GROUP BY c.contract_id
    HAVING count(i.installment_id) <> c.installments OR sum(i.principal) <> c.principal
) broken

-- name: decisions
-- Each decided proposal has an analysis with the same decision, and each approved one a contract.
SELECT count(*)
FROM credit_proposals p
LEFT JOIN credit_analysis a USING (proposal_id)
LEFT JOIN credit_contracts c USING (proposal_id)
WHERE (p.status <> 'pending') <> (a.decision IS NOT DISTINCT FROM p.status)
   OR (p.status = 'approved') <> (c.contract_id IS NOT NULL)

-- name: cpf_digits
-- Each CPF has valid check digits and is not one digit repeated.
SELECT count(*)
FROM customers
CROSS JOIN LATERAL (
    SELECT sum((11 - n) * substr(cpf, n, 1)::int) FILTER (WHERE n <= 9) * 10 % 11 % 10 AS first,
           sum((12 - n) * substr(cpf, n, 1)::int) * 10 % 11 % 10 AS second
    FROM generate_series(1, 10) n
) digits
WHERE substr(cpf, 10, 1)::int <> digits.first
   OR substr(cpf, 11, 1)::int <> digits.second
   OR cpf = repeat(left(cpf, 1), 11)

-- name: cpf_unique
-- No two customers share a CPF.
SELECT count(*) - count(DISTINCT cpf) FROM customers
