"""SQL that writes goods, stock and customers."""

#: ``number_of`` is contexts.ordering.domain.number_of; ``iso`` writes a moment as events do.
FUNCTIONS = r"""
CREATE FUNCTION pg_temp.digit(bits bigint, shift int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', ((bits >> shift) & 31)::int + 1, 1)
$$;
CREATE FUNCTION pg_temp.number_of(id uuid) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    bits bigint := ('x' || right(replace(id::text, '-', ''), 16))::bit(64)::bigint;
BEGIN
    RETURN pg_temp.digit(bits, 55) || pg_temp.digit(bits, 50) || pg_temp.digit(bits, 45) || pg_temp.digit(bits, 40)
        || '-' || pg_temp.digit(bits, 35) || pg_temp.digit(bits, 30) || pg_temp.digit(bits, 25)
        || pg_temp.digit(bits, 20) || '-' || pg_temp.digit(bits, 15) || pg_temp.digit(bits, 10)
        || pg_temp.digit(bits, 5) || pg_temp.digit(bits, 0);
END $$;
CREATE FUNCTION pg_temp.iso(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;
CREATE FUNCTION pg_temp.id_at(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT uuidv7(at - clock_timestamp())
$$;
"""

#: A product has four variants; what is there from an earlier run stays.
GOODS = """
INSERT INTO inventory_location (id, code, name, priority)
VALUES (uuidv7(), 'MAIN', 'Main warehouse', 0) ON CONFLICT (code) DO NOTHING;

INSERT INTO catalog_category (id, slug, name)
SELECT uuidv7(), slug, initcap(slug) FROM unnest(ARRAY['grocery', 'household', 'garden', 'tools']) AS slug
ON CONFLICT (slug) DO NOTHING;

CREATE TEMP TABLE goods AS
SELECT n, 'SKU-' || lpad(n::text, 6, '0') AS sku, 90 + (n * 7919) %% 9900 AS price,
       (ARRAY['Golden', 'Rustic', 'Nordic', 'Classic', 'Little', 'Coastal', 'Alpine', 'Quiet'])[1 + (n / 4) %% 8]
       || ' ' || (ARRAY['kettle', 'basket', 'lamp', 'notebook', 'blanket', 'trowel', 'coffee', 'honey', 'soap',
                        'hammer', 'candle', 'mug'])[1 + (n / 32) %% 12]
       || ' no. ' || (n / 4) AS product,
       (ARRAY['small', 'medium', 'large', 'huge'])[1 + n %% 4] AS variant
FROM generate_series(1, %(skus)s) AS n;

CREATE TEMP TABLE new_goods AS
SELECT goods.* FROM goods WHERE NOT EXISTS (SELECT FROM catalog_variant WHERE sku = goods.sku);

WITH products AS (
    INSERT INTO catalog_product (id, name, description, category_id, price_from_minor, price_currency)
    SELECT pg_temp.id_at(%(first)s - interval '1 day'), product, 'A ' || lower(product) || ' that lasts.',
           (SELECT id FROM catalog_category
            WHERE slug = (ARRAY['grocery', 'household', 'garden', 'tools'])[1 + min(n) %% 4]),
           min(price), 'EUR'
    FROM new_goods GROUP BY product RETURNING id, name
), variants AS (
    INSERT INTO catalog_variant (id, product_id, sku, name, options, position)
    SELECT uuidv7(), products.id, sku, variant, jsonb_build_object('size', variant), n %% 4
    FROM new_goods JOIN products ON products.name = new_goods.product RETURNING id, sku
)
INSERT INTO catalog_price (id, variant_id, currency, amount_minor)
SELECT uuidv7(), variants.id, 'EUR', price FROM variants JOIN new_goods USING (sku);

INSERT INTO inventory_stock_item (id, sku, location_id)
SELECT uuidv7(), sku, (SELECT id FROM inventory_location WHERE code = 'MAIN') FROM goods
ON CONFLICT (sku, location_id) DO NOTHING;

ALTER TABLE goods ADD COLUMN stock_item_id uuid;
UPDATE goods SET stock_item_id = item.id FROM inventory_stock_item AS item JOIN inventory_location AS place
    ON place.id = item.location_id AND place.code = 'MAIN' WHERE item.sku = goods.sku;
CREATE UNIQUE INDEX ON goods (n) INCLUDE (sku, price, product, variant, stock_item_id);
ANALYZE goods;
"""

#: Nobody knows their passwords; an erased password, as Django writes it, begins with an exclamation mark.
CUSTOMERS = """
INSERT INTO identity_account
    (id, email, name, password, created_at, is_active, is_staff, is_superuser, version, sequence)
SELECT pg_temp.id_at(%(first)s), 'customer' || n || '@example.com',
       (ARRAY['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Radia', 'Ken', 'Frances'])[1 + n %% 8] || ' '
       || (ARRAY['Lovelace', 'Hopper', 'Liskov', 'Knuth', 'Perlman', 'Allen', 'Hamilton'])[1 + n %% 7],
       '!' || md5(random()::text), %(first)s, true, false, false, 0, 0
FROM generate_series(1, %(customers)s) AS n
ON CONFLICT (email) DO NOTHING;

CREATE TEMP TABLE customers AS
SELECT n, account.id, account.email, account.name
FROM generate_series(1, %(customers)s) AS n
JOIN identity_account AS account ON account.email = 'customer' || n || '@example.com';
CREATE UNIQUE INDEX ON customers (n) INCLUDE (id, email, name);
ANALYZE customers;
"""

#: Units on hand come in by twenty movements, enough for what is held and a hundred more.
STOCK = """
CREATE TEMP TABLE arriving AS
SELECT item.id, item.on_hand, coalesce(h.held, 0) AS held,
       greatest(coalesce(h.held, 0) + 100 - item.on_hand, 0) AS delta
FROM goods JOIN inventory_stock_item AS item ON item.id = goods.stock_item_id
LEFT JOIN (
    SELECT stock_item_id, sum(quantity)::bigint AS held FROM inventory_hold WHERE status IN ('soft', 'hard') GROUP BY 1
) AS h ON h.stock_item_id = item.id;

INSERT INTO inventory_movement (stock_item_id, delta, on_hand, reason, actor, at)
SELECT id, units, on_hand + sum(units) OVER (PARTITION BY id ORDER BY part), 'delivery', 'system',
       %(first)s + part * (%(last)s - %(first)s) / 20
FROM (
    SELECT id, on_hand, part, delta / 20 + CASE WHEN part < delta %% 20 THEN 1 ELSE 0 END AS units
    FROM arriving, generate_series(0, 19) AS part
) AS movement WHERE units > 0;

UPDATE inventory_stock_item AS item SET held = arriving.held, on_hand = arriving.on_hand + arriving.delta
FROM arriving WHERE arriving.id = item.id;
"""
