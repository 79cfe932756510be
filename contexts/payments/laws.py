"""What must be true of payments at any moment."""

from shared.audit.laws import Law, declare

declare(
    Law(
        number=3,
        title="a payment is authorised, voided or failed exactly when its request to the provider says so",
        offenders="""
            SELECT p.id::text, 'is ' || p.status || ', its authorisation is ' || coalesce(a.status, 'missing')
            FROM payments_payment AS p
            LEFT JOIN payments_operation AS a ON a.payment_id = p.id AND a.kind = 'authorize'
            WHERE (p.status IN ('authorized', 'voided')) <> (coalesce(a.status, '') = 'succeeded')
        """,
    ),
    Law(
        number=3,
        title="a voided payment was voided with the provider",
        offenders="""
            SELECT p.id::text, 'is voided, its request to void is ' || coalesce(v.status, 'missing')
            FROM payments_payment AS p
            LEFT JOIN payments_operation AS v ON v.payment_id = p.id AND v.kind = 'void'
            WHERE p.status = 'voided' AND coalesce(v.status, '') <> 'succeeded'
        """,
    ),
)
