-- Statements of credit-servicing. Lock order: contracts by id, then their installments.

-- name: lock_payable_contract
-- Lock the next active contract from an id on that no other worker holds.
SELECT contract_id, open_amount FROM credit_contracts
WHERE status = 'active' AND contract_id >= %(contract_id)s
ORDER BY contract_id
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: next_installment
-- The installment that is due next in a locked contract.
SELECT installment_id, principal + interest + fee AS amount FROM installments
WHERE contract_id = %(contract_id)s AND status <> 'paid'
ORDER BY number
LIMIT 1

-- name: open_installments
-- All open installments of a locked contract.
SELECT installment_id, principal + interest + fee FROM installments
WHERE contract_id = %(contract_id)s AND status <> 'paid'
ORDER BY number

-- name: pay_installments
-- Mark installments of a locked contract as paid.
-- writes: installments update
UPDATE installments SET status = 'paid', paid_at = now()
WHERE installment_id = ANY(%(installment_ids)s) AND status <> 'paid'

-- name: insert_payments
-- Book one payment for each installment.
-- writes: credit_transactions insert
INSERT INTO credit_transactions (contract_id, installment_id, kind, amount, idempotency_key)
SELECT %(contract_id)s, installment_id, 'payment', amount, idempotency_key
FROM unnest(%(installment_ids)s::bigint[], %(amounts)s::numeric[], %(idempotency_keys)s::uuid[])
    AS payment (installment_id, amount, idempotency_key)

-- name: reduce_open_amount
-- Subtract a payment from the open amount of the contract; at zero it is settled.
-- writes: credit_contracts update
UPDATE credit_contracts
SET open_amount = open_amount - %(amount)s,
    status = CASE WHEN open_amount = %(amount)s THEN 'settled' ELSE status END,
    settled_at = CASE WHEN open_amount = %(amount)s THEN now() END
WHERE contract_id = %(contract_id)s

-- name: mark_overdue
-- Mark a batch of installments whose due date has passed.
-- writes: installments update
UPDATE installments SET status = 'overdue'
WHERE installment_id IN (
    SELECT installment_id FROM installments
    WHERE status = 'open' AND due_date < current_date
    ORDER BY due_date LIMIT %(batch)s FOR UPDATE SKIP LOCKED
)

-- name: lock_late_contracts
-- Lock some contracts that have an overdue installment without its fee.
SELECT contract_id FROM credit_contracts
WHERE status = 'active' AND contract_id IN (
    SELECT contract_id FROM installments WHERE status = 'overdue' AND fee = 0 ORDER BY contract_id LIMIT %(batch)s
)
ORDER BY contract_id
FOR UPDATE SKIP LOCKED

-- name: late_installments
-- Overdue installments without their fee, in locked contracts.
SELECT installment_id, contract_id, principal + interest, current_date - due_date FROM installments
WHERE contract_id = ANY(%(contract_ids)s) AND status = 'overdue' AND fee = 0

-- name: charge_fees
-- Add the late fee to each installment.
-- writes: installments update
UPDATE installments i SET fee = charge.fee
FROM unnest(%(installment_ids)s::bigint[], %(fees)s::numeric[]) AS charge (installment_id, fee)
WHERE i.installment_id = charge.installment_id

-- name: raise_open_amounts
-- Add the late fees to their contracts.
-- writes: credit_contracts update
UPDATE credit_contracts c SET open_amount = open_amount + charge.fee
FROM unnest(%(contract_ids)s::bigint[], %(fees)s::numeric[]) AS charge (contract_id, fee)
WHERE c.contract_id = charge.contract_id

-- name: delete_old_audit
-- Retention: delete old audit rows; insert_audit_summary keeps their totals.
-- writes: audit_log delete
DELETE FROM audit_log
WHERE audit_id IN (
    SELECT audit_id FROM audit_log WHERE at < now() - %(age)s ORDER BY at LIMIT %(batch)s
)
RETURNING instance, service, operation, detail

-- name: insert_audit_summary
-- Retention: add the counts and amounts of deleted audit rows to the previous totals.
-- writes: audit_summary upsert
INSERT INTO audit_summary AS kept (instance, service, operation, rows, disbursed, paid)
SELECT instance, service, operation, rows, disbursed, paid
FROM unnest(%(instances)s::uuid[], %(services)s::text[], %(operations)s::text[], %(counts)s::bigint[],
            %(disbursed)s::numeric[], %(paid)s::numeric[])
    AS gone (instance, service, operation, rows, disbursed, paid)
ORDER BY instance, service, operation
ON CONFLICT (instance, service, operation) DO UPDATE
SET rows = kept.rows + excluded.rows, disbursed = kept.disbursed + excluded.disbursed, paid = kept.paid + excluded.paid
RETURNING xmax = 0

-- name: old_contracts
-- Retention: old contracts of the running lab, as if the portfolio were sold; the seed stays.
-- By time since the seed, so that only old rows are read.
SELECT c.contract_id, c.proposal_id FROM credit_contracts c
WHERE c.signed_at >= (SELECT seeded_at FROM seed_manifest) AND c.signed_at < now() - %(age)s
  AND c.contract_id > (SELECT max_contract_id FROM seed_manifest)
ORDER BY c.signed_at
LIMIT %(batch)s
FOR UPDATE SKIP LOCKED

-- name: old_undisbursed_proposals
-- Retention: old proposals of the running lab without a contract.
SELECT p.proposal_id FROM credit_proposals p
WHERE p.submitted_at >= (SELECT seeded_at FROM seed_manifest) AND p.submitted_at < now() - %(age)s
  AND p.status <> 'approved' AND p.proposal_id > (SELECT max_proposal_id FROM seed_manifest)
ORDER BY p.submitted_at
LIMIT %(batch)s
FOR UPDATE SKIP LOCKED

-- name: delete_transactions
-- Retention: all money movements of the deleted contracts.
-- writes: credit_transactions delete
DELETE FROM credit_transactions WHERE contract_id = ANY(%(contract_ids)s)

-- name: delete_installments
-- Retention: all installments of the deleted contracts.
-- writes: installments delete
DELETE FROM installments WHERE contract_id = ANY(%(contract_ids)s)

-- name: delete_contracts
-- Retention: the contracts themselves.
-- writes: credit_contracts delete
DELETE FROM credit_contracts WHERE contract_id = ANY(%(contract_ids)s)

-- name: delete_analyses
-- Retention: the analyses of the deleted proposals.
-- writes: credit_analysis delete
DELETE FROM credit_analysis WHERE proposal_id = ANY(%(proposal_ids)s)

-- name: delete_proposals
-- Retention: the proposals themselves.
-- writes: credit_proposals delete
DELETE FROM credit_proposals WHERE proposal_id = ANY(%(proposal_ids)s)
