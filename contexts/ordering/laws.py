"""What must be true of orders at any moment."""

from shared.audit.laws import Law, declare

declare(
    Law(
        number=2,
        title="an order's total is its lines less discounts plus shipping and tax",
        offenders="""
            SELECT o.id::text, o.number || ' totals ' || o.total_minor || ', its lines say ' ||
                   (coalesce(l.subtotal, 0) - coalesce(l.discount, 0) + o.shipping_minor + coalesce(l.tax, 0))
            FROM ordering_order AS o LEFT JOIN (
                SELECT order_id, sum(unit_price_minor * quantity) AS subtotal,
                       sum(discount_minor) AS discount, sum(tax_minor) AS tax
                FROM ordering_order_line GROUP BY order_id
            ) AS l ON l.order_id = o.id
            WHERE o.total_minor <> coalesce(l.subtotal, 0) - coalesce(l.discount, 0) + o.shipping_minor + coalesce(l.tax, 0)
        """,
    ),
    Law(
        number=7,
        title="no more is shipped than was ordered, no more returned than was shipped",
        offenders="""
            SELECT id::text, sku || ': ' || quantity || ' ordered, ' || shipped || ' shipped, ' || returned || ' returned'
            FROM ordering_order_line WHERE shipped > quantity OR returned > shipped
        """,
    ),
)
