"""SQL that writes one batch of orders, with all that placing, paying and cancelling them leaves behind.

Of a hundred orders, 92 are confirmed, four declined, and four cancelled by their customer after the confirmation.
"""

#: The orders of this batch: who ordered, when, and what came of it.
PLACED = """
CREATE TEMP TABLE placed ON COMMIT DROP AS
SELECT drawn.*, customers.id AS customer_id, customers.email, customers.name,
       pg_temp.id_at(at) AS id, pg_temp.id_at(at + interval '150 ms') AS payment_id, pg_temp.id_at(at) AS saga_id,
       at + interval '300 ms' AS answered_at,
       CASE fate WHEN 'declined' THEN at + interval '400 ms'
                 WHEN 'cancelled' THEN least(at + random() * interval '8 hours', %(last)s + interval '1 hour')
       END AS cancelled_at,
       CASE WHEN express THEN 1290 ELSE 490 END AS shipping,
       replace(gen_random_uuid()::text, '-', '') AS correlation_id
FROM (
    SELECT n,
           least(date_trunc('day', day) + (random() + random()) * interval '12 hours', %(last)s) AS at,
           CASE WHEN chance < 0.92 THEN 'confirmed' WHEN chance < 0.96 THEN 'declined' ELSE 'cancelled' END AS fate,
           least(1 + floor(-1.4 * ln(1 - random())), 12)::int AS lines,
           exp(random() * ln(%(customers)s + 1))::int AS who, random() < 0.1 AS express
    FROM (
        SELECT n, random() AS chance,
               %(first)s + power(n::float / %(orders)s, 0.7) * (%(last)s - %(first)s) AS day
        FROM generate_series(%(from)s, %(to)s) AS n
    ) AS numbered
) AS drawn JOIN customers ON customers.n = least(drawn.who, %(customers)s);
ALTER TABLE placed ADD COLUMN number text;
UPDATE placed SET number = pg_temp.number_of(id);

CREATE TEMP TABLE line ON COMMIT DROP AS
SELECT placed.id AS order_id, placed.at, placed.fate, row_number() OVER (PARTITION BY placed.id) - 1 AS place,
       goods.sku, goods.product || ', ' || goods.variant AS name, goods.price, goods.stock_item_id,
       1 + floor(4 * power(random(), 3))::int AS quantity
FROM placed
CROSS JOIN LATERAL (
    SELECT DISTINCT least(exp(random() * ln(%(skus)s + 1))::int, %(skus)s) AS n FROM generate_series(1, placed.lines)
) AS wanted JOIN goods ON goods.n = wanted.n;

CREATE TEMP TABLE sum_of_lines ON COMMIT DROP AS
SELECT order_id, sum(price * quantity) AS subtotal,
       jsonb_agg(jsonb_build_array(sku, quantity, price) ORDER BY place) AS priced,
       jsonb_agg(jsonb_build_array(sku, quantity) ORDER BY place) AS counted
FROM line GROUP BY order_id;
ALTER TABLE placed
    ADD COLUMN subtotal bigint, ADD COLUMN total bigint, ADD COLUMN priced jsonb, ADD COLUMN counted jsonb;
UPDATE placed SET subtotal = l.subtotal, total = l.subtotal + shipping, priced = l.priced, counted = l.counted
FROM sum_of_lines AS l WHERE l.order_id = id;
ANALYZE placed;
"""

ORDERS = """
INSERT INTO ordering_order
    (id, number, customer_id, email, currency, shipping_address, billing_address, shipping_method, subtotal_minor,
     discount_minor, shipping_minor, tax_minor, total_minor, status, payment_id, payment_status, authorized_minor,
     captured_minor, refunded_minor, failure_code, fulfillment_status, placed_at, cancelled_at, cancel_reason, version,
     sequence)
SELECT id, number, customer_id, email, 'EUR', address, address, CASE WHEN express THEN 'express' ELSE 'standard' END,
       subtotal, 0, shipping, 0, total, CASE fate WHEN 'confirmed' THEN 'confirmed' ELSE 'cancelled' END, payment_id,
       CASE fate WHEN 'confirmed' THEN 'authorized' WHEN 'declined' THEN 'failed' ELSE 'voided' END,
       CASE fate WHEN 'declined' THEN 0 ELSE total END, 0, 0,
       CASE fate WHEN 'declined' THEN 'card_declined' END, 'unfulfilled', at, cancelled_at,
       CASE fate WHEN 'declined' THEN 'payment_declined' WHEN 'cancelled' THEN 'changed my mind' END,
       CASE fate WHEN 'cancelled' THEN 4 ELSE 2 END, CASE fate WHEN 'cancelled' THEN 3 ELSE 2 END
FROM placed CROSS JOIN LATERAL (
    SELECT jsonb_build_object('name', name, 'line1', 'Lindenstraße ' || who %% 200, 'line2', '', 'city', 'Berlin',
                              'postal_code', (10115 + who %% 3000)::text, 'region', '', 'country', 'DE',
                              'phone', '') AS address
) AS whereto ORDER BY at;

INSERT INTO ordering_order_line
    (id, order_id, place, sku, name, quantity, unit_price_minor, discount_minor, tax_minor)
SELECT pg_temp.id_at(at), order_id, place, sku, name, quantity, price, 0, 0 FROM line ORDER BY at, order_id, place;

INSERT INTO inventory_hold (order_id, stock_item_id, sku, quantity, status, created_at, closed_at)
SELECT order_id, stock_item_id, sku, quantity, CASE line.fate WHEN 'confirmed' THEN 'hard' ELSE 'released' END,
       line.at, placed.cancelled_at
FROM line JOIN placed ON placed.id = line.order_id ORDER BY line.at;

INSERT INTO idempotency_key (caller, key, fingerprint, status, headers, body, created_at)
SELECT 'customer:' || customer_id, gen_random_uuid()::text, encode(sha256(number::bytea), 'hex'), 201, '{}', '{}', at
FROM placed WHERE at > now() - interval '48 hours';
"""

PAYMENTS = """
INSERT INTO payments_payment
    (id, order_id, method, currency, amount_minor, status, reference, failure_code, is_given_up, created_at, version,
     sequence)
SELECT payment_id, id, 'simulator', 'EUR', total,
       CASE fate WHEN 'confirmed' THEN 'authorized' WHEN 'declined' THEN 'failed' ELSE 'voided' END,
       'auth_' || substr(correlation_id, 1, 24), CASE fate WHEN 'declined' THEN 'card_declined' END,
       fate = 'cancelled',
       at + interval '150 ms', CASE fate WHEN 'cancelled' THEN 5 ELSE 2 END,
       CASE fate WHEN 'cancelled' THEN 2 ELSE 1 END
FROM placed ORDER BY at;

INSERT INTO payments_operation (payment_id, kind, key, status, attempted_at, failure_code)
SELECT payment_id, 'authorize', 'ordering.checkout:' || id || ':authorize_payment',
       CASE fate WHEN 'declined' THEN 'failed' ELSE 'succeeded' END, at + interval '150 ms',
       CASE fate WHEN 'declined' THEN 'card_declined' END
FROM placed
UNION ALL
SELECT payment_id, 'void', 'payments.voiding:' || id || ':void_payment', 'succeeded', cancelled_at, NULL
FROM placed WHERE fate = 'cancelled';
"""

PROCESSES = """
INSERT INTO saga (id, name, subject_id, status, stage, reached, data, reason, due_at, deadline_at, last_error,
                  correlation_id, traceparent, actor, created_at, finished_at)
SELECT saga_id, 'ordering.checkout', id, CASE fate WHEN 'declined' THEN 'undone' ELSE 'completed' END,
       CASE fate WHEN 'declined' THEN 1 ELSE 3 END, CASE fate WHEN 'declined' THEN 1 ELSE 0 END, '{}'::jsonb,
       CASE fate WHEN 'declined' THEN 'payment_declined' ELSE '' END, NULL::timestamptz, at + interval '30 minutes', '',
       correlation_id, '', 'customer:' || customer_id, at, at + interval '400 ms'
FROM placed
UNION ALL
SELECT pg_temp.id_at(cancelled_at), 'payments.voiding', id, 'completed', 1, 0, '{}'::jsonb, '', NULL,
       cancelled_at + interval '24 hours', '', correlation_id, '', 'customer:' || customer_id, cancelled_at,
       cancelled_at + interval '100 ms'
FROM placed WHERE fate = 'cancelled';

INSERT INTO saga_step (saga_id, name, status, key, attempts, error, started_at, finished_at)
SELECT saga.id, step.name,
       CASE WHEN step.name = 'authorize_payment' AND fate = 'declined' THEN 'refused' ELSE 'done' END,
       CASE WHEN step.is_call THEN saga.name || ':' || saga.subject_id || ':' || step.name ELSE '' END, 1,
       CASE WHEN step.name = 'authorize_payment' AND fate = 'declined' THEN 'payment_declined' ELSE '' END,
       saga.created_at + place * interval '80 ms', saga.created_at + place * interval '80 ms' + interval '20 ms'
FROM placed JOIN saga ON saga.subject_id = placed.id
CROSS JOIN LATERAL unnest(
    CASE WHEN saga.name = 'payments.voiding' THEN ARRAY['void_payment']
         ELSE ARRAY['secure_stock', 'authorize_payment',
                    CASE fate WHEN 'declined' THEN 'cancel_order' ELSE 'confirm_order' END]
    END
) WITH ORDINALITY AS named (name, place)
CROSS JOIN LATERAL (SELECT named.name, named.name IN ('authorize_payment', 'void_payment') AS is_call) AS step;
"""

#: What was told of each order and each payment; what is older than ``live_days`` is archived, and nobody's any more.
EVENTS = """
CREATE TEMP TABLE told ON COMMIT DROP AS
SELECT pg_temp.id_at(event.at) AS id, event.topic, event.aggregate_id, event.sequence, event.at,
       event.payload || jsonb_build_object('occurred_at', pg_temp.iso(event.at)) AS payload,
       correlation_id, 'customer:' || customer_id AS actor,
       row_number() OVER (ORDER BY greatest(event.at, placed.at + event.sequence * interval '500 ms')) AS place
FROM placed
CROSS JOIN LATERAL (VALUES
    (true, 'ordering.order_placed.v1', placed.id, 1, placed.at, jsonb_build_object(
        'order_id', placed.id, 'number', number, 'customer_id', customer_id, 'currency', 'EUR', 'total_minor', total,
        'shipping_method', CASE WHEN express THEN 'express' ELSE 'standard' END, 'lines', priced)),
    (fate <> 'declined', 'payments.payment_authorized.v1', payment_id, 1, answered_at, jsonb_build_object(
        'order_id', placed.id, 'payment_id', payment_id, 'currency', 'EUR', 'amount_minor', total)),
    (fate = 'declined', 'payments.payment_declined.v1', payment_id, 1, answered_at, jsonb_build_object(
        'order_id', placed.id, 'payment_id', payment_id, 'failure_code', 'card_declined')),
    (fate <> 'declined', 'ordering.order_confirmed.v1', placed.id, 2, placed.at + interval '400 ms', jsonb_build_object(
        'order_id', placed.id, 'number', number, 'payment_id', payment_id, 'currency', 'EUR', 'total_minor', total,
        'lines', counted)),
    (fate <> 'confirmed', 'ordering.order_cancelled.v1', placed.id, CASE fate WHEN 'declined' THEN 2 ELSE 3 END,
     cancelled_at, jsonb_build_object(
        'order_id', placed.id, 'number', number, 'lines', counted,
        'reason', CASE fate WHEN 'declined' THEN 'payment_declined' ELSE 'changed my mind' END)),
    (fate = 'cancelled', 'payments.payment_voided.v1', payment_id, 2, cancelled_at + interval '100 ms',
     jsonb_build_object('order_id', placed.id, 'payment_id', payment_id))
) AS event (happened, topic, aggregate_id, sequence, at, payload)
WHERE event.happened;

INSERT INTO outbox_feed_end AS feed (id, position) SELECT 1, count(*) FROM told
ON CONFLICT (id) DO UPDATE SET position = feed.position + excluded.position;
UPDATE told SET place = place + feed.position - (SELECT count(*) FROM told) FROM outbox_feed_end AS feed;

INSERT INTO outbox_message_archive
    (id, topic, aggregate_id, aggregate_sequence, payload, occurred_at, recorded_at, correlation_id, causation_id,
     traceparent, actor, position)
SELECT id, topic, aggregate_id, sequence, payload, at, at, correlation_id, '', '', actor, place
FROM told WHERE at < now() - make_interval(days => %(live_days)s) ORDER BY id;

INSERT INTO outbox_message
    (id, topic, aggregate_id, aggregate_sequence, payload, occurred_at, recorded_at, correlation_id, causation_id,
     traceparent, actor, pending, position)
SELECT id, topic, aggregate_id, sequence, payload, at, at, correlation_id, '', '', actor, false, place
FROM told WHERE at >= now() - make_interval(days => %(live_days)s) ORDER BY id;

INSERT INTO outbox_delivery
    (message_id, subscription, status, attempts, due_at, last_error, finished_at, aggregate_id, aggregate_sequence)
SELECT id, subscription, 'done', 1, at + interval '15 seconds', '', at + interval '40 ms',
       CASE WHEN in_order THEN aggregate_id END, CASE WHEN in_order THEN sequence END
FROM told JOIN unnest(%(topics)s::text[], %(subscriptions)s::text[], %(in_order)s::boolean[])
    AS subscribed (topic, subscription, in_order) USING (topic)
WHERE at >= now() - make_interval(days => %(live_days)s) ORDER BY id;
"""

#: Every fourth cancellation was an operator's. The chain is made by triggers, so these come in by themselves, at last.
AUDIT = """
INSERT INTO audit_entry (id, at, actor, action, subject_kind, subject_id, before, after, reason, correlation_id)
SELECT pg_temp.id_at(cancelled_at), cancelled_at, 'staff:history', 'ordering.cancel_order', 'order', id::text,
       '{"status": "confirmed"}', '{"status": "cancelled"}', cancel_reason, ''
FROM ordering_order
WHERE placed_at >= %(first)s AND cancel_reason = 'changed my mind' AND substr(number, 14) < '8'
ORDER BY cancelled_at;
"""
