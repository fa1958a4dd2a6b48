-- Statements of credit-underwriting.

-- name: take_oldest_pending
-- Lock the oldest pending proposal that no other worker holds.
SELECT p.proposal_id, p.customer_id, p.product_id, p.amount, p.installments, c.monthly_income, c.birth_date
FROM credit_proposals p
JOIN customers c USING (customer_id)
WHERE p.status = 'pending'
ORDER BY p.submitted_at, p.proposal_id
LIMIT 1
FOR UPDATE OF p SKIP LOCKED

-- name: customer_exposure
-- The applicant's open amount, and the overdue part.
SELECT count(DISTINCT c.contract_id), coalesce(sum(i.principal + i.interest + i.fee), 0),
       count(i.installment_id) FILTER (WHERE i.status = 'overdue')
FROM credit_contracts c
JOIN installments i ON i.contract_id = c.contract_id AND i.status <> 'paid'
WHERE c.customer_id = %(customer_id)s AND c.status = 'active'

-- name: insert_analysis
-- Record the score and the decision.
-- writes: credit_analysis insert
INSERT INTO credit_analysis (proposal_id, score, income_ratio, decision, reason)
VALUES (%(proposal_id)s, %(score)s, %(income_ratio)s, %(decision)s, %(reason)s)

-- name: decide_proposal
-- Close the proposal with its decision.
-- writes: credit_proposals update
UPDATE credit_proposals SET status = %(decision)s, decided_at = now() WHERE proposal_id = %(proposal_id)s

-- name: insert_contract
-- Open a contract; the open amount is the sum of all payments.
-- writes: credit_contracts insert
INSERT INTO credit_contracts
    (proposal_id, customer_id, product_id, principal, monthly_rate, installments, open_amount)
VALUES
    (%(proposal_id)s, %(customer_id)s, %(product_id)s, %(principal)s, %(monthly_rate)s, %(installments)s,
     %(open_amount)s)
RETURNING contract_id

-- name: insert_installments
-- The whole schedule in one statement; unnest keeps one queryid for every number of installments.
-- writes: installments insert
INSERT INTO installments (contract_id, number, due_date, principal, interest)
SELECT %(contract_id)s, number, due_date, principal, interest
FROM unnest(%(numbers)s::smallint[], %(due_dates)s::date[], %(principals)s::numeric[], %(interests)s::numeric[])
    AS schedule (number, due_date, principal, interest)

-- name: insert_disbursement
-- Pay the principal out to the customer.
-- writes: credit_transactions insert
INSERT INTO credit_transactions (contract_id, kind, amount, idempotency_key)
VALUES (%(contract_id)s, 'disbursement', %(amount)s, %(idempotency_key)s)
