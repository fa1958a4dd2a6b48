-- Statements that several services run.

-- name: insert_audit
-- Record a completed operation; part of the operation's transaction.
-- writes: audit_log insert
INSERT INTO audit_log (operation_id, instance, service, operation, entity, entity_id, detail)
VALUES (%(operation_id)s, %(instance)s, %(service)s, %(operation)s, %(entity)s, %(entity_id)s, %(detail)s)

-- name: find_operation
-- Whether an operation whose connection was lost was committed, and its figures.
SELECT detail FROM audit_log WHERE operation_id = %(operation_id)s

-- name: customer_range
-- The range of customer ids, for the random choice of customers.
SELECT coalesce(min(customer_id), 0), coalesce(max(customer_id), 0) FROM customers

-- name: contract_range
-- The range of contract ids, for the random choice of contracts.
SELECT coalesce(min(contract_id), 0), coalesce(max(contract_id), 0) FROM credit_contracts

-- name: catalogue
-- Limits and rate of every product, for the services' cache.
SELECT product_id, code, min_amount, max_amount, min_installments, max_installments, monthly_rate, min_score
FROM credit_products ORDER BY product_id
