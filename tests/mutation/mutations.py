"""The guards, one by one: how each is taken out, and the test that has to notice."""

from tests.mutation.edits import Edit, Mutation

STOCK = "contexts/inventory/repositories.py"
STOCK_TABLES = "contexts/inventory/models.py"
STOCK_MIGRATION = "contexts/inventory/migrations/0001_initial.py"
STOCK_TESTS = "tests/inventory/test_stock_items.py"
OUTBOX_TABLES = "shared/outbox/models.py"
OUTBOX_MIGRATION = "shared/outbox/migrations/0001_initial.py"
OUTBOX_TESTS = "tests/shared/test_outbox.py"
TOGETHER_TESTS = "tests/shared/test_outbox_together.py"
ORDER_TESTS = "tests/shared/test_outbox_order.py"
TRAIL_TESTS = "tests/shared/test_audit_trail.py"
CHECK_TESTS = "tests/shared/test_audit_checks.py"
KEY_TESTS = "tests/shared/test_idempotency_keys.py"
SAGA = "shared/saga/runner.py"
SAGA_ROWS = "shared/saga/rows.py"
SAGA_TESTS = "tests/shared/test_saga_runner.py"
PAYMENT_TESTS = "tests/payments/test_payments.py"
TILL_TESTS = "tests/payments/test_use_cases.py"
UNIT_TESTS = "tests/shared/test_unit_of_work.py"
API_KEY_TESTS = "tests/identity/test_remembered_keys.py"
GUARD_TESTS = "tests/mutation/test_guards.py"

NEVER_OVERSELLS = (
    Mutation(
        name="stock CHECK",
        guarantee="G1",
        edits=(
            Edit(
                STOCK_TABLES,
                "            models.CheckConstraint(\n"
                '                condition=models.Q(held__gte=0, held__lte=models.F("on_hand") '
                '+ models.F("backorder_limit")),\n'
                '                name="inventory_stock_item_never_oversold",\n'
                "            ),\n",
            ),
            Edit(
                STOCK_MIGRATION,
                "        migrations.AddConstraint(\n"
                "            model_name='stockitemrow',\n"
                "            constraint=models.CheckConstraint(condition=models.Q(('held__gte', 0), ('held__lte', "
                "django.db.models.expressions.CombinedExpression(models.F('on_hand'), '+', "
                "models.F('backorder_limit')))), name='inventory_stock_item_never_oversold'),\n"
                "        ),\n",
            ),
        ),
        tests=(STOCK_TESTS,),
        witness=(STOCK_TESTS, "test_keeps_promises_within_bounds"),
    ),
    Mutation(
        name="conditional update of held",
        guarantee="G1",
        edits=(Edit(STOCK, " AND item.on_hand + item.backorder_limit - item.held >= locked.quantity\n", "\n"),),
        tests=(STOCK_TESTS,),
        witness=(STOCK_TESTS, "test_refuses_to_hold_what_another_order_took_meanwhile_and_holds_nothing_then"),
        seen=("inventory_stock_item_never_oversold",),  # the CHECK stops what the condition should have told
    ),
    Mutation(
        name="expiry of a hold when it is hardened",
        guarantee="G1",
        edits=(Edit(STOCK, "status not in OPEN_HOLDS or (expires and expires <= at)", "status not in OPEN_HOLDS"),),
        tests=(STOCK_TESTS,),
        witness=(STOCK_TESTS, "test_refuses_to_harden_what_has_run_out"),
    ),
)

NEVER_CHARGES_TWICE = (
    Mutation(
        name="payments: an operation key is unique",
        guarantee="G2",
        edits=(
            Edit(
                "contexts/payments/models.py",
                "    key = models.CharField(max_length=200, unique=True)",
                "    key = models.CharField(max_length=200)",
            ),
            Edit(
                "contexts/payments/migrations/0001_initial.py",
                "('key', models.CharField(max_length=200, unique=True))",
                "('key', models.CharField(max_length=200))",
            ),
        ),
        tests=(PAYMENT_TESTS,),
        witness=(PAYMENT_TESTS, "test_keeps_each_key_for_one_request"),
    ),
    Mutation(
        name="payments: one payment per order",
        guarantee="G2",
        edits=(
            Edit("contexts/payments/models.py", "UUIDField(unique=True)", "UUIDField()"),
            Edit("contexts/payments/migrations/0001_initial.py", "UUIDField(unique=True)", "UUIDField()"),
        ),
        tests=(PAYMENT_TESTS,),
        witness=(PAYMENT_TESTS, "test_keeps_one_payment_per_order"),
    ),
    Mutation(
        name="payments: the first key of a charge stays",
        guarantee="G2",
        edits=(
            Edit(
                "contexts/payments/domain.py",
                "        operation = self.operations.setdefault(\n"
                "            OperationKind.AUTHORIZE, Operation(kind=OperationKind.AUTHORIZE, key=key, "
                "attempted_at=at)\n"
                "        )\n",
                "        operation = Operation(kind=OperationKind.AUTHORIZE, key=key, attempted_at=at)\n"
                "        self.operations[OperationKind.AUTHORIZE] = operation\n",
            ),
        ),
        tests=(TILL_TESTS,),
        witness=(TILL_TESTS, "test_is_asked_for_again_under_the_first_key_even_if_the_caller_brings_another"),
    ),
    Mutation(
        name="payments: an open question is asked before the charge is sent again",
        guarantee="G2",
        edits=(
            Edit(
                "contexts/payments/use_cases.py",
                "            found = gateway.find(key=key) if self.was_asked else None\n",
                "            found = None\n",
            ),
        ),
        tests=(TILL_TESTS,),
        witness=(TILL_TESTS, "test_unknown_then_found_is_authorized_without_asking_twice"),
    ),
    Mutation(
        name="payments: what was given up is not charged",
        guarantee="G2",
        edits=(
            Edit(
                "contexts/payments/domain.py",
                "        if self.is_given_up:\n            raise PaymentGivenUp(order_id=self.order_id)\n"
                "        operation = ",
                "        operation = ",
            ),
        ),
        tests=(TILL_TESTS,),
        witness=(TILL_TESTS, "test_is_refused_once_given_up_without_asking"),
    ),
    Mutation(
        name="payments: a request that is too old is not sent",
        guarantee="G2",
        edits=(Edit("contexts/payments/use_cases.py", "            payment.must_be_fresh(at=now())\n"),),
        tests=(TILL_TESTS,),
        witness=(TILL_TESTS, "test_that_waited_too_long_is_not_sent_but_attempted_again"),
    ),
    Mutation(
        name="payments: giving up leaves a mark where no payment was begun",
        guarantee="G2",
        edits=(
            Edit(
                "contexts/payments/use_cases.py",
                "            if self.payments.for_order(order_id) is None:\n",
                "            if False:\n",
            ),
        ),
        tests=(TILL_TESTS,),
        witness=(TILL_TESTS, "test_of_an_order_without_payment_leaves_a_mark_that_no_late_worker_passes"),
    ),
    Mutation(
        name="payments: a void is not repeated",
        guarantee="G2",
        edits=(
            Edit(
                "contexts/payments/use_cases.py",
                "        if payment.status is PaymentStatus.AUTHORIZED:\n            self._void(payment, key=key)\n",
                "        self._void(payment, key=key)\n",
            ),
        ),
        tests=(TILL_TESTS,),
        witness=(TILL_TESTS, "TestVoidPayment::test_twice_asks_the_provider_once"),
    ),
    Mutation(
        name="payments: the first key of a void stays",
        guarantee="G2",
        edits=(
            Edit(
                "contexts/payments/domain.py",
                "        self.operations.setdefault(OperationKind.VOID, Operation(kind=OperationKind.VOID, key=key, "
                "attempted_at=at))\n",
                "        self.operations[OperationKind.VOID] = Operation(kind=OperationKind.VOID, key=key, "
                "attempted_at=at)\n",
            ),
        ),
        tests=(TILL_TESTS,),
        witness=(TILL_TESTS, "test_is_tried_again_under_the_first_key_even_if_another_process_does"),
    ),
    Mutation(
        name="saga: the key of a call is the same each time",
        guarantee="G2",
        edits=(
            Edit(
                SAGA,
                '    return f"{row.name}:{row.subject_id}:{step.name}"\n',
                '    return f"{row.name}:{uuid4()}:{step.name}"\n',
            ),
        ),
        tests=(SAGA_TESTS,),
        witness=(SAGA_TESTS, "test_puts_the_process_back_for_the_pause_and_asks_again_with_the_same_key"),
    ),
    Mutation(
        name="no call inside a transaction",
        guarantee="G2",
        edits=(
            Edit(
                "shared/resilience/guard.py",
                "        raise CalledInsideTransaction(CalledInsideTransaction.__doc__)\n",
                "        return\n",
            ),
        ),
        tests=("tests/shared/test_guard.py", SAGA_TESTS),
        witness=("tests/shared/test_guard.py", "test_refuses_to_call_a_vendor_inside_one"),
    ),
)

NEVER_LOSES_AN_EVENT = (
    Mutation(
        name="outbox: one delivery per message and subscription",
        guarantee="G3",
        edits=(
            Edit(
                OUTBOX_TABLES,
                '            models.UniqueConstraint(fields=["message", "subscription"], '
                'name="outbox_delivery_once_per_message"),\n',
            ),
            Edit(
                OUTBOX_MIGRATION,
                "models.UniqueConstraint(fields=('message', 'subscription'), "
                "name='outbox_delivery_once_per_message'), ",
            ),
        ),
        tests=(OUTBOX_TESTS, GUARD_TESTS),
        witness=(GUARD_TESTS, "test_keeps_one_delivery_per_message_and_subscription"),
    ),
    Mutation(
        name="outbox: the sequence of an aggregate is unique",
        guarantee="G3",
        edits=(
            Edit(
                OUTBOX_TABLES,
                "            models.UniqueConstraint(\n"
                '                fields=["aggregate_id", "aggregate_sequence"], '
                'name="outbox_message_sequence_is_gap_free"\n'
                "            ),\n",
            ),
            Edit(
                OUTBOX_MIGRATION,
                "models.UniqueConstraint(fields=('aggregate_id', 'aggregate_sequence'), "
                "name='outbox_message_sequence_is_gap_free')",
            ),
        ),
        tests=(OUTBOX_TESTS,),
        witness=(OUTBOX_TESTS, "test_refuses_a_second_event_with_the_same_number"),
    ),
    Mutation(
        name="outbox: the relay takes a message once",
        guarantee="G3",
        edits=(Edit("shared/outbox/feed.py", "SET pending = false, position", "SET pending = true, position"),),
        tests=(OUTBOX_TESTS, GUARD_TESTS),
        witness=(GUARD_TESTS, "test_leaves_no_message_pending_that_it_has_taken"),
    ),
    Mutation(
        name="outbox: a finished delivery is left alone",
        guarantee="G3",
        edits=(
            Edit(
                "shared/outbox/deliveries.py",
                '        .select_related("message")\n        .filter(status=DeliveryRow.Status.PENDING)\n',
                '        .select_related("message")\n',
            ),
        ),
        tests=(OUTBOX_TESTS, TOGETHER_TESTS),
        witness=(OUTBOX_TESTS, "test_twice_has_its_effect_once"),
    ),
    Mutation(
        name="outbox: a delivery in hand is left alone",
        guarantee="G3",
        edits=(
            Edit(
                "shared/outbox/deliveries.py",
                'DeliveryRow.objects.select_for_update(skip_locked=True, of=("self",))\n',
                "DeliveryRow.objects\n",
            ),
        ),
        tests=(OUTBOX_TESTS,),
        witness=(OUTBOX_TESTS, "test_that_another_worker_has_in_hand_is_left_alone"),
    ),
    Mutation(
        name="outbox: an event waits for an earlier one of its aggregate",
        guarantee="G3",
        edits=(Edit("shared/outbox/deliveries.py", "    if subscription.in_order:\n", "    if False:\n"),),
        tests=(ORDER_TESTS,),
        witness=(ORDER_TESTS, "test_waits_for_an_earlier_event_without_counting_an_attempt"),
    ),
    Mutation(
        name="outbox: an event waits for an earlier one that no relay has taken",
        guarantee="G3",
        edits=(
            Edit(
                "shared/outbox/turns.py",
                "      WHERE pending AND aggregate_id =",
                "      WHERE false AND aggregate_id =",
            ),
        ),
        tests=(ORDER_TESTS,),
        witness=(ORDER_TESTS, "test_waits_for_an_earlier_event_that_no_relay_has_taken"),
    ),
    Mutation(
        name="unit of work: the last work is done",
        guarantee="G1, G3",
        edits=(Edit("shared/persistence/unit_of_work.py", "        _send(pending, and_commit=is_outermost)\n", ""),),
        tests=(f"{UNIT_TESTS}::TestLastMoment", STOCK_TESTS),
        witness=(UNIT_TESTS, "test_comes_after_everything_else_in_the_order_in_which_it_was_left"),
    ),
    Mutation(
        name="unit of work: a swallowed error is told",
        guarantee="G3",
        edits=(
            Edit(
                "shared/persistence/unit_of_work.py",
                "        raise RolledBackInside(RolledBackInside.__doc__)\n",
                "        return\n",
            ),
        ),
        tests=(f"{UNIT_TESTS}::TestAtomic",),
        witness=(UNIT_TESTS, "test_undoes_all_and_says_so_when_the_error_of_a_part_is_swallowed"),
    ),
)

CAN_BE_RETRIED = (
    Mutation(
        name="idempotency: a key of a caller is unique",
        guarantee="G4",
        edits=(
            Edit(
                "shared/idempotency/models.py",
                '            models.UniqueConstraint(fields=["caller", "key"], '
                'name="idempotency_key_once_per_caller"),\n',
            ),
            Edit(
                "shared/idempotency/migrations/0001_initial.py",
                "models.UniqueConstraint(fields=('caller', 'key'), name='idempotency_key_once_per_caller')",
            ),
        ),
        tests=(KEY_TESTS,),
        witness=(KEY_TESTS, "test_keeps_each_key_of_a_caller_once"),
    ),
    Mutation(
        name="idempotency: another request under the key is refused",
        guarantee="G4",
        edits=(Edit("shared/idempotency/keys.py", "    if first_fingerprint != fingerprint:\n", "    if False:\n"),),
        tests=(KEY_TESTS,),
        witness=(KEY_TESTS, "test_of_a_key_that_was_used_for_another_request_says_so_and_shows_no_answer"),
    ),
)

NOTHING_IS_STUCK = (
    Mutation(
        name="saga: a lease is respected",
        guarantee="G2, G5",
        edits=(
            Edit(
                SAGA_ROWS,
                "            Q(leased_until=None) | Q(leased_until__lte=Now()), id=saga_id, status__in=statuses\n",
                "            id=saga_id, status__in=statuses\n",
            ),
        ),
        tests=(SAGA_TESTS,),
        witness=(SAGA_TESTS, "test_is_respected_by_another_worker"),
    ),
    Mutation(
        name="saga: a late worker settles nothing",
        guarantee="G2, G5",
        edits=(
            Edit(
                SAGA_ROWS,
                "    return LEASED.first(saga_id, lease, *OPEN)\n",
                "    return SagaRow.objects.select_for_update().filter(id=saga_id, status__in=OPEN).first()\n",
            ),
        ),
        tests=(SAGA_TESTS,),
        witness=(SAGA_TESTS, "test_of_a_late_worker_does_not_undo_what_another_one_finished"),
    ),
    Mutation(
        name="saga: one process of a kind per subject",
        guarantee="G2, G5",
        edits=(
            Edit("shared/saga/registry.py", 'conflict="(subject_id, name) DO NOTHING"', 'conflict="DO NOTHING"'),
            Edit(
                "shared/saga/models.py",
                '            models.UniqueConstraint(fields=["subject_id", "name"], name="saga_once_per_subject"),\n',
            ),
            Edit(
                "shared/saga/migrations/0001_initial.py",
                "models.UniqueConstraint(fields=('subject_id', 'name'), name='saga_once_per_subject'), ",
            ),
        ),
        tests=(SAGA_TESTS, GUARD_TESTS),
        witness=(GUARD_TESTS, "test_keeps_one_process_of_a_kind_per_subject"),
    ),
    Mutation(
        name="saga: a refused local step leaves nothing behind",
        guarantee="G2, G5",
        edits=(
            Edit(
                SAGA,
                "        return in_transaction_with_retry(lambda: work(savepoint))\n",
                "        return in_transaction_with_retry(lambda: work(lambda: part()))\n",
            ),
        ),
        tests=(SAGA_TESTS,),
        witness=(SAGA_TESTS, "test_of_a_local_step_leaves_no_effect_of_it"),
    ),
    Mutation(
        name="saga: what a late worker was told is kept",
        guarantee="G2, G5",
        edits=(
            Edit(
                SAGA,
                "_noted(call, outcome.answer, how) if isinstance(outcome, _Answered)",
                "_noted(call, outcome.answer, how) if row and isinstance(outcome, _Answered)",
            ),
        ),
        tests=(SAGA_TESTS,),
        witness=(SAGA_TESTS, "test_keeps_what_a_late_worker_was_told_but_lets_it_change_nothing_else"),
    ),
    Mutation(
        name="saga: a step sees what the steps before it did",
        guarantee="G5",
        edits=(
            Edit(
                "shared/persistence/unit_of_work.py",
                "        whole.holds_parts = True\n",
                "        whole.holds_parts = False\n",
            ),
        ),
        tests=(UNIT_TESTS,),
        witness=(UNIT_TESTS, "test_sees_what_the_parts_before_it_left_for_the_last_moment"),
    ),
)

ORDERS_ARE_SAFE = (
    Mutation(
        name="orders: a change of an order is not overwritten",
        guarantee="G1, G2",
        edits=(
            Edit(
                "shared/persistence/updates.py",
                "WHERE id = %s AND version = %s",
                "WHERE id = %s AND %s >= 0",
            ),
        ),
        tests=("tests/ordering/test_orders.py", GUARD_TESTS),
        witness=(GUARD_TESTS, "test_refuse_to_overwrite_a_change_that_has_no_event"),
    ),
    Mutation(
        name="orders: ownership is part of loading",
        guarantee="G6",
        edits=(
            Edit(
                "contexts/ordering/repositories.py",
                "else ORDER_OF_CUSTOMER.first(of_customer, order_id)",
                "else ORDER.first(order_id)",
            ),
        ),
        tests=("tests/ordering/test_orders.py",),
        witness=("tests/ordering/test_orders.py", "test_does_not_show_a_customer_an_order_that_is"),
    ),
)

KEYS_END = (
    Mutation(
        name="keys: who changes something is looked up, whatever is remembered",
        guarantee="G6",
        edits=(
            Edit(
                "contexts/identity/use_cases/authentication.py",
                "self.api_keys.recall_by_key_id(key_id) if only_reads else self.api_keys.find_by_key_id(key_id)",
                "self.api_keys.recall_by_key_id(key_id)",
            ),
        ),
        tests=(API_KEY_TESTS,),
        witness=(API_KEY_TESTS, "test_looks_the_key_up_whatever_is_remembered"),
    ),
    Mutation(
        name="keys: a revoked key is forgotten",
        guarantee="G6",
        edits=(
            Edit(
                "contexts/identity/repositories/api_keys.py",
                "        transaction.on_commit(partial(self.cache.forget, key.key_id))\n"
                "        publish_events_of(key)\n",
                "        publish_events_of(key)\n",
            ),
        ),
        tests=(API_KEY_TESTS,),
        witness=(API_KEY_TESTS, "test_ends_with_the_commit_that_revokes_the_key"),
    ),
)

HISTORY_IS_KEPT = (
    Mutation(
        name="audit: what is written stays",
        guarantee="G7",
        edits=(
            Edit(
                "shared/audit/migrations/0002_append_only.py",
                "CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}\n",
                "CREATE TRIGGER {table}_is_append_only BEFORE TRUNCATE ON {table}\n",
            ),
        ),
        tests=(f"{TRAIL_TESTS}::TestTables",),
        witness=(TRAIL_TESTS, "test_refuse_to_be_changed"),
    ),
    Mutation(
        name="audit: each entry is chained to the one before",
        guarantee="G7",
        edits=(
            Edit(
                "shared/audit/verification.py",
                "        elif digest_after(self.place.digest, found.link) != found.digest:\n",
                "        elif False:\n",
            ),
        ),
        tests=(f"{TRAIL_TESTS}::TestTampering",),
        witness=(TRAIL_TESTS, "test_with_any_column_of_an_entry_is_found"),
    ),
    Mutation(
        name="laws: checked once however many schedulers there are",
        guarantee="G5, G7",
        edits=(Edit("shared/audit/checking.py", "        if cursor.fetchone() != (True,):\n", "        if False:\n"),),
        tests=(CHECK_TESTS,),
        witness=(CHECK_TESTS, "test_are_made_by_one_of_them_and_nobody_waits"),
    ),
)

MUTATIONS = (
    *NEVER_OVERSELLS,
    *NEVER_CHARGES_TWICE,
    *NEVER_LOSES_AN_EVENT,
    *CAN_BE_RETRIED,
    *NOTHING_IS_STUCK,
    *ORDERS_ARE_SAFE,
    *KEYS_END,
    *HISTORY_IS_KEPT,
)
