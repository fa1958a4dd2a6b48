-- Statements of credit-proposals.

-- name: browse_products
-- The products for an amount, cheapest first.
SELECT product_id, name, monthly_rate, max_installments
FROM credit_products
WHERE min_amount <= %(amount)s AND max_amount >= %(amount)s
ORDER BY monthly_rate, product_id

-- name: product_detail
-- One product with the demand of the last ten seconds; with a minute, at a high load, it would be the slowest read.
SELECT p.name, p.monthly_rate, p.min_installments, p.max_installments,
       (SELECT count(*) FROM credit_proposals r
        WHERE r.product_id = p.product_id AND r.submitted_at > now() - interval '10 seconds') AS demand
FROM credit_products p
WHERE p.product_id = %(product_id)s

-- name: applicant
-- The customer who applies.
SELECT customer_id, monthly_income FROM customers WHERE customer_id >= %(customer_id)s ORDER BY customer_id LIMIT 1

-- name: submit_proposal
-- Insert a proposal and its audit row, in one statement.
-- writes: credit_proposals insert, audit_log insert
WITH proposal AS (
    INSERT INTO credit_proposals (customer_id, product_id, amount, installments, channel)
    VALUES (%(customer_id)s, %(product_id)s, %(amount)s, %(installments)s, %(channel)s)
    RETURNING proposal_id
)
INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id, detail)
SELECT %(operation_id)s, %(instance)s, %(service)s, %(operation)s, 'proposal', proposal_id, %(detail)s FROM proposal
RETURNING entity_id

-- name: withdraw_proposal
-- Delete the newest pending proposal that is not locked, with its audit row, in one statement.
-- writes: credit_proposals delete, audit_log insert
WITH withdrawn AS (
    DELETE FROM credit_proposals
    WHERE proposal_id = (
        SELECT proposal_id FROM credit_proposals WHERE status = 'pending'
        ORDER BY submitted_at DESC, proposal_id DESC LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING proposal_id
)
INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id, detail)
SELECT %(operation_id)s, %(instance)s, %(service)s, %(operation)s, 'proposal', proposal_id, %(detail)s FROM withdrawn
RETURNING entity_id
