-- Statements of credit-shop.

-- name: shop_catalogue
-- Every product, for the first page.
SELECT product_id, name, category, description, price FROM shop.products ORDER BY category, name

-- name: shop_product
-- One product.
SELECT product_id, name, category, description, price FROM shop.products WHERE product_id = %(product_id)s

-- name: open_cart
-- Open a cart for a visitor, unless one is open.
-- writes: orders insert
INSERT INTO shop.orders (visitor) VALUES (%(visitor)s) ON CONFLICT (visitor) WHERE is_open DO NOTHING

-- name: cart_items
-- The items of a visitor's cart.
SELECT i.item_id, p.name, i.quantity, i.price
FROM shop.orders o JOIN shop.order_items i USING (order_id) JOIN shop.products p USING (product_id)
WHERE o.visitor = %(visitor)s AND o.is_open
ORDER BY i.item_id

-- name: add_item
-- Add a product to a cart that is neither full nor in checkout.
-- writes: order_items insert
INSERT INTO shop.order_items (order_id, product_id, quantity, price)
SELECT o.order_id, p.product_id, %(quantity)s, p.price
FROM shop.orders o CROSS JOIN shop.products p
WHERE o.visitor = %(visitor)s AND o.is_open AND p.product_id = %(product_id)s
  AND (SELECT count(*) FROM shop.order_items i WHERE i.order_id = o.order_id) < %(most)s
FOR SHARE OF o

-- name: change_item
-- Change the quantity of an item.
-- writes: order_items update
UPDATE shop.order_items i SET quantity = %(quantity)s
FROM shop.orders o
WHERE i.item_id = %(item_id)s AND o.order_id = i.order_id AND o.visitor = %(visitor)s AND o.is_open

-- name: remove_item
-- Remove an item from a cart.
-- writes: order_items delete
DELETE FROM shop.order_items i USING shop.orders o
WHERE i.item_id = %(item_id)s AND o.order_id = i.order_id AND o.visitor = %(visitor)s AND o.is_open

-- name: lock_cart
-- Lock a cart for checkout.
SELECT order_id FROM shop.orders WHERE visitor = %(visitor)s AND is_open FOR UPDATE

-- name: cart_total
-- The total of a locked cart; no row when it is empty.
SELECT sum(quantity * price) FROM shop.order_items WHERE order_id = %(order_id)s

-- name: shop_customer
-- The customer of the bank who pays with store credit.
SELECT customer_id FROM customers WHERE cpf = %(cpf)s

-- name: store_credit
-- The cheapest credit for an amount.
SELECT product_id, max_installments FROM credit_products
WHERE min_amount <= %(amount)s AND max_amount >= %(amount)s
ORDER BY monthly_rate, product_id LIMIT 1

-- name: close_cart
-- Turn a cart into a paid order; proposal 0 means none, as NULL would have another queryid.
-- writes: orders update
UPDATE shop.orders
SET is_open = false, closed_at = now(), payment = %(payment)s, total = %(total)s,
    proposal_id = nullif(%(proposal_id)s, 0)
WHERE order_id = %(order_id)s

-- name: order_history
-- A visitor's orders, with the status of their credit.
SELECT o.order_id, o.closed_at, o.total, o.payment, p.status
FROM shop.orders o LEFT JOIN credit_proposals p USING (proposal_id)
WHERE o.visitor = %(visitor)s AND NOT o.is_open
ORDER BY o.order_id DESC LIMIT 50

-- name: old_orders
-- Abandoned carts, and orders past their retention: a few at a time, only unlocked ones.
SELECT order_id FROM shop.orders
WHERE (is_open AND opened_at < now() - %(abandoned_s)s * interval '1 second')
   OR (NOT is_open AND closed_at < now() - %(hours)s * interval '1 hour')
LIMIT %(most)s FOR UPDATE SKIP LOCKED

-- name: delete_order_items
-- Delete the items of old orders.
-- writes: order_items delete
DELETE FROM shop.order_items WHERE order_id = ANY(%(order_ids)s)

-- name: delete_orders
-- Delete old orders.
-- writes: orders delete
DELETE FROM shop.orders WHERE order_id = ANY(%(order_ids)s)
