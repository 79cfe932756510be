"""What must be true of stock at any moment."""

from shared.audit.laws import Law, declare

declare(
    Law(
        number=1,
        title="the units on hand are the sum of the movements",
        offenders="""
            SELECT item.id::text,
                   item.sku || ' has ' || item.on_hand || ' on hand, its movements add up to ' || coalesce(sum(m.delta), 0)
            FROM inventory_stock_item AS item LEFT JOIN inventory_movement AS m ON m.stock_item_id = item.id
            GROUP BY item.id HAVING item.on_hand <> coalesce(sum(m.delta), 0)
        """,
    ),
    Law(
        number=1,
        title="the units held are the sum of the open holds",
        offenders="""
            SELECT item.id::text, item.sku || ' has ' || item.held || ' held, its open holds add up to ' || coalesce(h.held, 0)
            FROM inventory_stock_item AS item
            LEFT JOIN (
                SELECT stock_item_id, sum(quantity) AS held FROM inventory_hold
                WHERE status IN ('soft', 'hard') GROUP BY stock_item_id
            ) AS h ON h.stock_item_id = item.id
            WHERE item.held <> coalesce(h.held, 0)
        """,
    ),
    Law(
        number=1,
        title="no more is promised than is on hand or may be back-ordered",
        offenders="""
            SELECT id::text, sku || ' has ' || held || ' held of ' || on_hand || ' + ' || backorder_limit
            FROM inventory_stock_item WHERE held > on_hand + backorder_limit OR held < 0
        """,
    ),
)
