"""The floor: what the database itself can do with the least SQL that an order needs, by pgbench."""

import os
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from shared.embedded.binaries import postgres_binary

SKUS = 1000
TABLES = """
DROP SCHEMA IF EXISTS floor CASCADE;
CREATE SCHEMA floor;
SET search_path = floor;
CREATE TABLE stock (sku int PRIMARY KEY, on_hand bigint NOT NULL, reserved bigint NOT NULL DEFAULT 0,
                    CHECK (reserved <= on_hand)) WITH (fillfactor = 70);
CREATE TABLE idem (key text PRIMARY KEY, fingerprint text NOT NULL, order_id bigint,
                   created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (id bigserial PRIMARY KEY, number text NOT NULL UNIQUE, customer_id int NOT NULL,
                     currency char(3) NOT NULL, total numeric(12, 2) NOT NULL, status text NOT NULL,
                     created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE order_line (id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders,
                         sku int NOT NULL REFERENCES stock, qty int NOT NULL, unit_price numeric(12, 2) NOT NULL);
CREATE TABLE payment (id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders,
                      provider_ref text NOT NULL UNIQUE, amount numeric(12, 2) NOT NULL, status text NOT NULL,
                      created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE outbox (id bigserial PRIMARY KEY, topic text NOT NULL, aggregate_id bigint NOT NULL,
                     payload jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), published_at timestamptz);
CREATE INDEX ON orders (customer_id, created_at);
CREATE INDEX ON order_line (order_id);
CREATE INDEX ON payment (order_id);
CREATE INDEX ON outbox (id) WHERE published_at IS NULL;
INSERT INTO stock SELECT n, 1000000000 FROM generate_series(1, 1000) AS n;
"""
TRANSACTION = """
\\set sku {sku}
\\set customer random(1, 100000)
BEGIN;
INSERT INTO floor.idem (key, fingerprint) VALUES (gen_random_uuid()::text, 'f');
UPDATE floor.stock SET reserved = reserved + 1 WHERE sku = :sku AND on_hand - reserved >= 1;
INSERT INTO floor.orders (number, customer_id, currency, total, status)
VALUES (gen_random_uuid()::text, :customer, 'EUR', 12.34, 'placed') RETURNING id AS order_id \\gset
INSERT INTO floor.order_line (order_id, sku, qty, unit_price) VALUES (:order_id, :sku, 1, 12.34);
INSERT INTO floor.payment (order_id, provider_ref, amount, status)
VALUES (:order_id, gen_random_uuid()::text, 12.34, 'pending');
INSERT INTO floor.outbox (topic, aggregate_id, payload) VALUES ('order_placed', :order_id, '{{"a": 1}}');
INSERT INTO floor.outbox (topic, aggregate_id, payload) VALUES ('payment_begun', :order_id, '{{"a": 1}}');
COMMIT;
"""


def floor_tps(database_url: str, *, seconds: int, hot: bool = False) -> float:
    """Return transactions per second of eight pgbench clients, on a thousand skus or all on one."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(TABLES)
    url = urlsplit(database_url)
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "order.sql"
        script.write_text(TRANSACTION.format(sku="1" if hot else f"random(1, {SKUS})"))
        done = subprocess.run(
            [
                *(str(postgres_binary("pgbench")), "--no-vacuum", "--client=8", "--jobs=2", "--protocol=prepared"),
                *(f"--time={seconds}", f"--file={script}", f"--host={url.hostname}", f"--port={url.port}"),
                *(f"--username={url.username}", url.path.lstrip("/")),
            ],
            env=os.environ | {"PGPASSWORD": url.password or ""},
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])
