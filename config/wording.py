"""What the two OpenAPI documents say in the shop's own words."""

from typing import Any

ABOUT = """\
**Errors** are `application/problem+json` (RFC 9457); programs look at `code`. **Retries**: send an `Idempotency-Key`
with every POST that takes one; the same key and body have their effect once. **Pages**: follow `next_cursor` until it
is null. **Concurrency**: resources carry an `ETag`; ask with `If-None-Match`, change with `If-Match`. **Traces**: an
`X-Request-ID` of yours comes back and stands in the logs; `traceparent` is carried on. Unknown fields and parameters
are refused, so that a typing error does not pass for a wish."""

TAGS = {
    "identity": "Accounts, tokens, and what belongs to a person.",
    "catalog": "Products, variants and categories; open to everybody.",
    "carts": "Baskets, of guests too: the id is the key.",
    "orders": "Orders, from placed to delivered or cancelled.",
    "returns": "Goods that come back.",
    "payments": "The money of orders.",
    "events": "What happened, in order, for other systems.",
    "webhooks": "Events pushed to endpoints of yours, signed as Standard Webhooks says.",
    "products": "What is for sale.",
    "variants": "The sizes and kinds of a product; each has a sku.",
    "categories": "The tree in which products stand.",
    "prices": "What a variant costs, and from when on.",
    "coupons": "Codes that take something off.",
    "tax-rates": "Taxes by country and category.",
    "shipping-methods": "How orders travel, and what that costs.",
    "locations": "Where stock lies.",
    "stock-items": "The units of one sku at one location: on hand, promised, available.",
    "imports": "Files of products, prices or stock, taken in row by row.",
    "exports": "Orders, stock and products as CSV.",
    "customers": "People who buy.",
    "api-keys": "Keys of servers, with scopes.",
    "webhook-endpoints": "Where events are pushed to.",
    "webhook-deliveries": "What those endpoints were told, and what came of it.",
    "webhook-dead-letters": "What those endpoints could not be told, to be retried or discarded.",
    "deliveries": "Which event reached which subscriber, and how often it was tried.",
    "dead-letters": "Deliveries that were given up, to be retried or discarded.",
    "sagas": "Durable processes, and the levers to move those that are stuck.",
    "audit": "Who changed what, when: hash-chained.",
    "reconciliations": "Our ledger held against the provider's.",
    "reports": "Sales, products, stock and money over time.",
}

#: By the name of a field, or of an operation for its whole request.
EXAMPLES: dict[str, Any] = {
    "sku": "COFFEE-ETH-250-BEANS",
    "email": "ada@example.com",
    "password": "correct horse battery",
    "name": "Ada Lovelace",
    "number": "7Q2M-01ZD-X9FK",
    "amount": "12.34",
    "currency": "EUR",
    "line1": "Lindenstraße 12",
    "line2": "",
    "city": "Berlin",
    "postal_code": "10969",
    "region": "",
    "country": "DE",
    "phone": "",
    "shipping_method": "standard",
    "location": "BERLIN",
    "quantity": 2,
    "on_hand": 40,
    "held": 3,
    "available": 37,
    "delta": -1,
    "reason": "damaged",
    "actor": "customer:0197a1f2-3b4c-7d5e-8f60-718293a4b5c6",
    "type": "ordering.order_placed.v1",
    "next_cursor": "Kf3xq1T2vW0AWyIyMDI2LTAzLTAyIl0",
    "version": 1,
    "slug": "coffee",
    "category": "coffee",
    "access_token": "(an access token)",
    "refresh_token": "(a refresh token)",
    "token": "tok_approved",
    "method": "simulator",
    "Line.name": "Ethiopia Yirgacheffe, 250 g, whole beans",
    "Product.name": "Ethiopia Yirgacheffe",
    "Variant.name": "250 g, whole beans",
    "Category.name": "Coffee",
    "place_order": {
        "lines": [{"sku": "COFFEE-ETH-250-BEANS", "quantity": 2}],
        "email": "ada@example.com",
        "shipping_address": {
            "name": "Ada Lovelace",
            "line1": "Lindenstraße 12",
            "city": "Berlin",
            "postal_code": "10969",
            "country": "DE",
        },
        "shipping_method": "standard",
        "payment": {"method": "simulator", "token": "tok_approved"},
    },
    "adjust_stock_item": {"delta": -1, "reason": "damaged"},
}
