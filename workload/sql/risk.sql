-- Statements of credit-risk: deliberately heavy aggregates.

-- name: risk_distribution
-- Distribution of scores and decisions over the products, last year.
SELECT p.product_id, width_bucket(a.score, 0, 1000, 10) AS score_bucket, a.decision,
       count(*), avg(a.income_ratio), sum(p.amount)
FROM credit_analysis a
JOIN credit_proposals p USING (proposal_id)
WHERE p.submitted_at > now() - interval '1 year'
GROUP BY p.product_id, score_bucket, a.decision
ORDER BY p.product_id, score_bucket, a.decision

-- name: product_performance
-- Per product: contracts, principal, open amount and share of overdue installments.
SELECT p.code, count(DISTINCT c.contract_id), sum(i.principal),
       sum(i.principal + i.interest + i.fee) FILTER (WHERE i.status <> 'paid'),
       count(*) FILTER (WHERE i.status = 'overdue')::numeric / count(*)
FROM credit_products p
JOIN credit_contracts c USING (product_id)
JOIN installments i USING (contract_id)
WHERE c.signed_at > now() - interval '1 year'
GROUP BY p.code
ORDER BY p.code

-- name: delinquency_ageing
-- Overdue amounts by days late, in the provision classes of Brazilian banks.
SELECT width_bucket(current_date - i.due_date, ARRAY[1, 15, 31, 61, 91, 121, 151, 181]) AS ageing_class,
       count(*), count(DISTINCT i.contract_id), sum(i.principal + i.interest + i.fee)
FROM installments i
WHERE i.status = 'overdue'
GROUP BY ageing_class
ORDER BY ageing_class
