-- Statements of credit-customers.

-- name: sample_customers
-- CPFs of some customers for simulated lookups, at equal steps over all of them.
SELECT found.customer_id, found.cpf
FROM generate_series(%(first)s, %(last)s, %(step)s) AS step (customer_id)
CROSS JOIN LATERAL (
    SELECT customer_id, cpf FROM customers WHERE customer_id >= step.customer_id ORDER BY customer_id LIMIT 1
) AS found

-- name: customer_by_cpf
-- A customer by CPF: the fastest read of the lab.
SELECT customer_id, full_name, city, state, monthly_income FROM customers WHERE cpf = %(cpf)s

-- name: customer_history
-- Proposals of one customer with their outcome, newest first. Joins would take longer to plan than to run.
SELECT p.proposal_id, p.amount, p.status, p.submitted_at,
       (SELECT a.score FROM credit_analysis a WHERE a.proposal_id = p.proposal_id) AS score,
       (SELECT c.open_amount FROM credit_contracts c WHERE c.proposal_id = p.proposal_id) AS open_amount
FROM credit_proposals p
WHERE p.customer_id = %(customer_id)s
ORDER BY p.submitted_at DESC
LIMIT 20

-- name: contract_for_statement
-- The contract of an account statement.
SELECT contract_id, principal, open_amount, status FROM credit_contracts
WHERE contract_id >= %(contract_id)s ORDER BY contract_id LIMIT 1

-- name: account_statement
-- Installments of one contract with the payment of each.
SELECT i.number, i.due_date, i.principal + i.interest + i.fee, i.status, t.amount, t.created_at
FROM installments i
LEFT JOIN credit_transactions t USING (installment_id)
WHERE i.contract_id = %(contract_id)s
ORDER BY i.number

-- name: update_contact
-- Change phone and e-mail, with the audit row, in one statement.
-- writes: customers update, audit_log insert
WITH changed AS (
    UPDATE customers SET phone = %(phone)s, email = %(email)s, updated_at = now()
    WHERE customer_id = %(customer_id)s
    RETURNING customer_id
)
INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id, detail)
SELECT %(operation_id)s, %(instance)s, %(service)s, %(operation)s, 'customer', customer_id, %(detail)s FROM changed
RETURNING entity_id
