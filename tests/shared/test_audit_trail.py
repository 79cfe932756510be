"""The audit trail on PostgreSQL: chained as it is written, sealed, verified; and every way to tamper with it found."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.audit import chain
from shared.audit.encoding import GENESIS, Entry, Link, Seal, digest_after
from shared.audit.laws import check_laws
from shared.audit.models import AuditCheckpointRow, AuditEntryRow, AuditSealRow, AuditStreamRow
from shared.audit.sealing import SEALING, advance_checkpoint, seal_new_entries
from shared.audit.trail import record_change
from shared.audit.verification import breaks_in_chain
from shared.domain.model import Primitive
from shared.domain.ports import AuditTrail
from shared.persistence.unit_of_work import atomic, savepoint
from shared.telemetry.context import WorkContext, working_as
from shared.telemetry.metrics import TableCollector
from tests.shared.audit_encodings import CHECKPOINTS, ENTRIES, SEALS, TEXTS, VALUES, decoded, json_text, microseconds
from tests.shared.audit_tables import GUARDS, unguarded
from tests.shared.audit_tampering import EDITS, TAMPERING
from tests.shared.database import LONGEST_WAIT, InThread, execute, failing_unit_of_work
from tests.shared.fakes import InMemoryAuditTrail

WRITERS, ENTRIES_EACH = 8, 40
DEADLINE = 4.0  # seconds; less than the lock time-out of five, so whoever waits for a lock misses it
CHAIN, PUNCTUALITY = "the audit chain verifies", "no audit entry has waited for its seal for more than a minute"


def change(number: int = 1, *, reason: str = "counted") -> None:
    """Record a change of the stock."""
    record_change(
        action="inventory.adjust_stock",
        subject_kind="stock_item",
        subject_id=f"item-{number}",
        before={"on_hand": number},
        after={"on_hand": number + 1},
        reason=reason,
    )


def breaks(*, full: bool = False) -> list[str]:
    """Return what the verification finds."""
    return [f"{what}: {why}" for what, why in breaks_in_chain(full=full)]


def entry(position: int, stream: int | None = None) -> AuditEntryRow:
    """Return the entry at this place."""
    return AuditEntryRow.objects.get(position=position, stream=the_stream() if stream is None else stream)


def the_stream() -> int:
    """Return the one stream that a test with one writer writes to."""
    return AuditStreamRow.objects.get(id__gt=0).id


def finding(title: str, *, full: bool = False) -> tuple[int, str]:
    """Return by how much the law is broken, and the offenders."""
    (found,) = [found for found in check_laws(full=full) if found.law.title == title]
    return found.broken_by, "; ".join(f"{what}: {why}" for what, why in found.offenders)


@pytest.fixture
def trail(db: None) -> None:
    """Have a chain with a checkpoint after six entries, and four more: two sealed, two not."""
    for number in range(1, 11):
        change(number)
        if number in {3, 6, 8}:
            assert seal_new_entries() == 1
        if number == 6:
            assert advance_checkpoint()
    assert breaks() == breaks(full=True) == []


class TestAuditTrail:
    """The port, on memory and on PostgreSQL."""

    @pytest.fixture(params=["memory", "PostgreSQL"])
    def record(self, request: pytest.FixtureRequest) -> AuditTrail:
        if request.param == "memory":
            return InMemoryAuditTrail()
        request.getfixturevalue("db")
        return record_change

    def recorded(self, record: AuditTrail) -> list[tuple[str, str, str, Any, Any, str]]:
        kept = record.changes if isinstance(record, InMemoryAuditTrail) else AuditEntryRow.objects.order_by("position")
        return [(c.action, c.subject_kind, c.subject_id, c.before, c.after, c.reason) for c in kept]

    def test_keeps_what_was_changed_in_order(self, record: AuditTrail) -> None:
        record(action="a.make", subject_kind="thing", subject_id="1", before=None, after={"n": [1, ("x", None, True)]})
        record(action="a.end", subject_kind="thing", subject_id="1", before={"n": {}}, after=None, reason="old")

        assert self.recorded(record) == [
            ("a.make", "thing", "1", None, {"n": [1, ["x", None, True]]}, ""),
            ("a.end", "thing", "1", {"n": {}}, None, "old"),
        ]

    @pytest.mark.parametrize(
        "key",
        "email name address phone token password secret key customer_email shippingAddress API_KEY keys addresses "
        "IPAddress user-name TOKEN2".split(),
    )
    @pytest.mark.parametrize("nest", [lambda it: it, lambda it: {"deep": [{"er": it}]}], ids=["flat", "nested"])
    def test_refuses_what_may_be_personal_or_secret(
        self, record: AuditTrail, key: str, nest: Callable[[Mapping[str, Primitive]], Mapping[str, Primitive]]
    ) -> None:
        with pytest.raises(ValueError, match=f"'{key}' may be personal or secret"):
            record(action="a", subject_kind="b", subject_id="c", before=nest({key: "x"}), after=None)
        with pytest.raises(ValueError, match=f"'{key}' may be personal or secret"):
            record(action="a", subject_kind="b", subject_id="c", before=None, after=nest({key: "x"}))

        assert self.recorded(record) == []

    def test_takes_keys_that_only_look_like_it(self, record: AuditTrail) -> None:
        after: dict[str, Primitive] = dict.fromkeys(["shipped", "keyboard", "tokenizer", "discarded", "filenames_"], 1)
        record(action="a", subject_kind="b", subject_id="c", before=None, after=after)

        assert self.recorded(record)[0][4] == after

    @pytest.mark.parametrize(
        ("value", "complaint"),
        [
            (1.5, "not float"),
            (datetime(2026, 1, 1, tzinfo=UTC), "not datetime"),
            (b"x", "not bytes"),
            ("a\0b", r"U\+0000"),
            ("\ud800", "surrogates not allowed"),
            ({1: 2}, "texts as keys, not int"),
        ],
    )
    def test_refuses_what_is_no_json_of_texts_and_whole_numbers(
        self, record: AuditTrail, value: Any, complaint: str
    ) -> None:
        with pytest.raises(ValueError, match=complaint):
            record(action="a", subject_kind="b", subject_id="c", before={"it": value}, after=None)

        assert self.recorded(record) == []


@pytest.mark.django_db
class TestRecordChange:
    def test_notes_who_did_it_and_in_which_work(self) -> None:
        with working_as(WorkContext(actor="staff:7", correlation_id="c-1")):
            change()

        row = entry(1)
        assert (row.actor, row.correlation_id) == ("staff:7", "c-1")
        assert timedelta() <= row.recorded_at - row.at < timedelta(seconds=5)

    def test_is_undone_with_the_work(self) -> None:
        change(1)
        with failing_unit_of_work():
            change(2)
        with atomic(), suppress(ZeroDivisionError), savepoint():
            change(3)
            raise ZeroDivisionError
        change(5)

        assert list(AuditEntryRow.objects.order_by("position").values_list("subject_id", "position")) == [
            ("item-1", 1),
            ("item-5", 2),
        ]
        assert breaks(full=True) == []

    def test_cannot_be_dated_back_or_placed_by_the_writer(self) -> None:
        AuditEntryRow.objects.create(
            at=datetime(2020, 1, 1, tzinfo=UTC),
            recorded_at=datetime(2020, 1, 1, tzinfo=UTC),
            actor="system",
            action="a",
            subject_kind="b",
            subject_id="c",
            stream=99,
            position=99,
            digest=b"mine",
        )

        row = entry(1)
        assert row.recorded_at.year > 2020
        assert bytes(row.digest) != b"mine"
        assert breaks(full=True) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("trail")
class TestTables:
    @pytest.mark.parametrize("table", GUARDS)
    @pytest.mark.parametrize("role", ["origin", "replica"])
    @pytest.mark.parametrize(
        ("operation", "statement"),
        [
            ("UPDATE", "UPDATE {table} SET digest = digest"),
            ("UPDATE", "UPDATE {table} SET digest = digest WHERE false"),
            ("DELETE", "DELETE FROM {table}"),
            ("DELETE", "DELETE FROM {table} WHERE false"),
            ("TRUNCATE", "TRUNCATE {table}"),
        ],
    )
    def test_refuse_to_be_changed(self, table: str, role: str, operation: str, statement: str) -> None:
        execute(f"SET LOCAL session_replication_role = {role}")

        with pytest.raises(IntegrityError, match=f"{operation} .*is refused|{table} itself: {operation}"):
            execute(statement.format(table=table))

    def test_refuse_a_new_end_of_a_chain_by_hand(self) -> None:
        with pytest.raises(
            IntegrityError, match="the audit trail keeps audit_stream itself: INSERT by hand is refused"
        ):
            execute("INSERT INTO audit_stream (id, entries, digest) VALUES (77, 0, '')")

    def test_refuse_django_too(self) -> None:
        with pytest.raises(IntegrityError, match="the audit trail is append-only: DELETE of audit_entry is refused"):
            AuditEntryRow.objects.all().delete()


class TestMigration:
    @pytest.mark.django_db(transaction=True)
    def test_can_be_taken_back_and_done_again(self) -> None:
        call_command("migrate", "audit", "0001", verbosity=0)
        execute("DELETE FROM audit_stream")
        call_command("migrate", "audit", verbosity=0)

        with pytest.raises(IntegrityError, match="append-only"):
            execute("DELETE FROM audit_entry")


@pytest.mark.django_db
@pytest.mark.usefixtures("trail")
class TestTampering:
    @pytest.mark.parametrize("case", TAMPERING)
    def test_is_found(self, case: str) -> None:
        statements, found, found_by_reading_all = TAMPERING[case]
        stream = the_stream()
        with unguarded():
            for statement in statements:
                execute(statement.format(s=stream))

        assert found.format(s=stream) in "\n".join(breaks())
        assert found_by_reading_all.format(s=stream) in "\n".join(breaks(full=True))
        assert bool(breaks()) is bool(found)

    @pytest.mark.parametrize("column", EDITS)
    @pytest.mark.parametrize(("position", "full"), [(2, True), (7, False), (7, True), (10, False)])
    def test_with_any_column_of_an_entry_is_found(self, column: str, position: int, full: bool) -> None:
        assert set(EDITS) == {field.column for field in AuditEntryRow._meta.fields}
        with unguarded():
            execute(f"UPDATE audit_entry SET {column} = {EDITS[column]} WHERE position = {position}")  # noqa: S608

        assert breaks(full=full) != []

    @pytest.mark.parametrize(
        ("table", "column"),
        [
            (model._meta.db_table, field.column)
            for model in (AuditSealRow, AuditCheckpointRow)
            for field in model._meta.fields
        ],
    )
    def test_with_any_column_of_the_last_seal_or_checkpoint_is_found(self, table: str, column: str) -> None:
        value = f"{column} + 5"
        if column.endswith("digest"):
            value = f"sha256({column})"
        elif column.endswith("_at"):
            value = f"{column} + interval '1 microsecond'"
        with unguarded():
            last = f"(SELECT max(sequence) FROM {table})"  # noqa: S608
            assert execute(f"UPDATE {table} SET {column} = {value} WHERE sequence = {last}") == 1  # noqa: S608

        assert breaks() != []

    def test_stays_found_though_the_trail_goes_on(self) -> None:
        with unguarded():
            execute("DELETE FROM audit_entry WHERE position = 10")
            execute("DELETE FROM audit_seal WHERE sequence = 3")
        found = breaks()
        change(11)

        assert seal_new_entries() == 1
        assert not advance_checkpoint()
        assert breaks() == found

    def test_keeps_nobody_from_writing(self) -> None:
        stream = the_stream()
        with unguarded():
            execute("UPDATE audit_stream SET entries = 2 WHERE id > 0")
        change(11)

        assert entry(11, stream).subject_id == "item-11"
        with unguarded():
            execute("DELETE FROM audit_stream")
        change(12)
        assert seal_new_entries() > 0
        assert breaks() != []

    def test_that_makes_the_tables_unreadable_breaks_the_law(self) -> None:
        execute("ALTER TABLE audit_entry RENAME COLUMN reason TO why")

        broken_by, offenders = finding(CHAIN)

        assert broken_by == 1
        assert 'unreadable: ProgrammingError: column "reason" does not exist' in offenders


@pytest.mark.django_db
@pytest.mark.usefixtures("trail")
class TestLaw:
    def test_holds_for_an_untouched_trail(self) -> None:
        assert finding(CHAIN) == finding(CHAIN, full=True) == finding(PUNCTUALITY) == (0, "")

    def test_begins_at_the_checkpoint_unless_told_to_read_all(self) -> None:
        with unguarded():
            execute("UPDATE audit_entry SET reason = 'lost' WHERE position = 2")

        assert finding(CHAIN)[0] == 0
        assert finding(CHAIN, full=True)[0] == 1
        assert run_audit() == 0
        assert run_audit("--full") == 1

    def test_finds_an_entry_that_nobody_seals(self) -> None:
        with unguarded():
            execute("UPDATE audit_entry SET recorded_at = now() - interval '61 seconds' WHERE position = 9")

        broken_by, offenders = finding(PUNCTUALITY)

        assert broken_by == 1
        assert offenders.startswith(f"{entry(9).id}: was recorded at ")

    def test_reads_from_the_checkpoint_only(self, django_assert_max_num_queries: Callable[..., Any]) -> None:
        with django_assert_max_num_queries(15) as asked:
            list(breaks_in_chain(full=False))

        assert sum("FROM audit_entry WHERE stream" in query["sql"] for query in asked.captured_queries) == 2

    def test_reads_in_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chain, "LINKS_AT_ONCE", 3)

        assert breaks(full=True) == []


@pytest.mark.django_db
class TestSealing:
    def test_seals_each_stream_once(self) -> None:
        change(1)
        change(2)

        assert (seal_new_entries(), seal_new_entries()) == (1, 0)
        change(3)
        assert (seal_new_entries(), seal_new_entries()) == (1, 0)
        assert [(seal.sequence, seal.position) for seal in AuditSealRow.objects.order_by("sequence")] == [
            (1, 2),
            (2, 3),
        ]

    def test_of_an_empty_trail_does_nothing(self) -> None:
        assert seal_new_entries() == 0
        assert not advance_checkpoint()
        assert breaks(full=True) == []

    def test_is_measured(self) -> None:
        change(1)
        assert gauge("orderly_audit_unsealed_entries") == 1
        assert gauge("orderly_audit_unsealed_age_seconds") < 60
        with unguarded():
            execute("UPDATE audit_entry SET recorded_at = now() - interval '61 seconds'")
        assert gauge("orderly_audit_unsealed_age_seconds") >= 61

        seal_new_entries()

        assert gauge("orderly_audit_unsealed_entries") == gauge("orderly_audit_unsealed_age_seconds") == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("trail")
class TestCheckpoint:
    def test_advances_to_the_last_seal_and_only_when_there_is_a_new_one(self) -> None:
        assert advance_checkpoint()
        assert not advance_checkpoint()

        last = AuditCheckpointRow.objects.get(sequence=2)
        assert (last.seal_sequence, bytes(last.seal_digest)) == (3, bytes(AuditSealRow.objects.get(sequence=3).digest))

    def test_is_not_given_to_a_broken_chain(self) -> None:
        with unguarded():
            execute("UPDATE audit_entry SET reason = '' WHERE position = 7")

        assert not advance_checkpoint()
        assert AuditCheckpointRow.objects.count() == 1

    def test_that_is_wrong_is_not_begun_at(self) -> None:
        with unguarded():
            execute("UPDATE audit_entry SET reason = '' WHERE position = 2")
            execute("UPDATE audit_checkpoint SET verified_at = now() - interval '1 day'")

        assert any("is not what was written at place 2" in each for each in breaks())


@pytest.mark.django_db(transaction=True)
class TestWriters:
    def test_never_wait_for_another_whose_transaction_is_open(self, in_thread: InThread) -> None:
        written, enough = threading.Event(), threading.Event()
        change(0)  # so that there is a stream that both could want

        def write_and_dawdle() -> None:
            with atomic():
                change(1)
                written.set()
                assert enough.wait(LONGEST_WAIT)

        dawdling = in_thread(write_and_dawdle)
        assert written.wait(LONGEST_WAIT)
        try:
            started = time.monotonic()
            for number in range(2, 22):
                change(number)
            assert seal_new_entries() == 2
            assert advance_checkpoint()
            assert time.monotonic() - started < DEADLINE
            assert not dawdling.done()
            assert AuditEntryRow.objects.count() == 21
        finally:
            enough.set()
        dawdling.result(LONGEST_WAIT)

        assert seal_new_entries() == 1
        assert AuditStreamRow.objects.filter(id__gt=0).count() == 2
        assert breaks() == breaks(full=True) == []

    def test_and_sealers_at_once_leave_one_whole_chain(self) -> None:
        writing = threading.Barrier(WRITERS + 1)
        ended = threading.Event()

        def write(writer: int) -> None:
            writing.wait(LONGEST_WAIT)
            for number in range(ENTRIES_EACH):
                with failing_unit_of_work() if number % 5 == 4 else atomic():
                    change(writer * 1000 + number)
                    if number % 3 == 0:
                        change(writer * 1000 + 500 + number)

        def seal() -> None:
            while not ended.is_set():
                seal_new_entries()

        with ThreadPoolExecutor(WRITERS + 1) as pool:
            sealing = pool.submit(hanging_up(seal))
            writers = [pool.submit(hanging_up(partial(write, writer))) for writer in range(WRITERS)]
            writing.wait(LONGEST_WAIT)
            found = []
            while not all(writer.done() for writer in writers):
                seal_new_entries()
                advance_checkpoint()
                found += [offender for law in (CHAIN, PUNCTUALITY) if (offender := finding(law, full=True)) != (0, "")]
            ended.set()
            for work in (*writers, sealing):
                work.result(LONGEST_WAIT)
        seal_new_entries()

        assert found == []
        kept = [number for number in range(ENTRIES_EACH) if number % 5 != 4]
        expected = WRITERS * (len(kept) + sum(number % 3 == 0 for number in kept))
        assert AuditEntryRow.objects.count() == expected == entries_under_seal()
        assert AuditStreamRow.objects.filter(id__gt=0).count() <= 2 * WRITERS  # a new one may be too new to be seen
        assert advance_checkpoint() or AuditCheckpointRow.objects.exists()
        assert breaks() == breaks(full=True) == []

    def test_seal_one_at_a_time(self, in_thread: InThread) -> None:
        change()
        with atomic():
            execute("SELECT pg_advisory_xact_lock(%s)", SEALING)

            assert in_thread(seal_new_entries).result(LONGEST_WAIT) == 0
        assert seal_new_entries() == 1


class TestEncoding:
    @given(ENTRIES | SEALS | CHECKPOINTS)
    def test_can_be_undone_so_no_two_links_have_the_same(self, link: Link) -> None:
        assert decoded(link.encode()) == link

    @given(ENTRIES, st.data())
    def test_tells_where_one_column_ends_and_the_next_begins(self, one: Entry, data: st.DataObject) -> None:
        texts = ["actor", "action", "subject_kind", "subject_id", "reason", "correlation_id"]
        giver, taker = data.draw(st.permutations(texts))[:2]
        given_away: str = getattr(one, giver)
        other = replace(one, **{giver: "", taker: getattr(one, taker) + given_away})

        assert (other.encode() == one.encode()) is (other == one)

    def test_is_as_documented(self) -> None:
        seal = Seal(sequence=1, stream=2, position=-3, entry_digest=b"d", sealed_at=None)

        assert seal.encode().hex(" ", 4) == (
            b"\0\0\0\x14orderly.audit.seal.1"
            b"\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x02\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfd"
            b"\0\0\0\x01d\xff\xff\xff\xff"
        ).hex(" ", 4)

    @pytest.mark.django_db
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(TEXTS.map(lambda text: text[:60]), min_size=6, max_size=6), VALUES, VALUES, st.datetimes())
    def test_is_the_same_in_the_database(
        self, texts: list[str], before: Primitive, after: Primitive, at: datetime
    ) -> None:
        actor, action, kind, subject, reason, correlation_id = texts
        with atomic():
            row = AuditEntryRow.objects.create(
                at=at.replace(tzinfo=UTC),
                actor=actor,
                action=action,
                subject_kind=kind,
                subject_id=subject,
                before=before,
                after=after,
                reason=reason,
                correlation_id=correlation_id,
            )
            row.refresh_from_db()
            (found,) = chain.entries_of(row.stream, after=row.position - 1)
            previous = chain.entry_at(row.stream, row.position - 1)

            assert found.link == Entry(
                stream=row.stream,
                position=row.position,
                id=row.id,
                at=microseconds(at.replace(tzinfo=UTC)),
                recorded_at=microseconds(row.recorded_at),
                actor=actor,
                action=action,
                subject_kind=kind,
                subject_id=subject,
                before=None if before is None else json_text(before),
                after=None if after is None else json_text(after),
                reason=reason,
                correlation_id=correlation_id,
            )
            assert digest_after(previous.digest if previous else GENESIS, found.link) == found.digest


def entries_under_seal() -> int:
    """Return how many entries seals cover, each counted once: those since the seal before of its stream."""
    covered = 0
    last: dict[int, int] = {}
    for stream, position in AuditSealRow.objects.order_by("sequence").values_list("stream", "position"):
        assert position > last.get(stream, 0)
        covered += position - last.get(stream, 0)
        last[stream] = position
    return covered


def hanging_up(work: Callable[[], None]) -> Callable[[], None]:
    """Return the work for a thread, with its connection closed in the end."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    return run


def run_audit(*arguments: str) -> int:
    """Run the command and return its exit status."""
    try:
        call_command("audit", *arguments, stdout=StringIO())
    except SystemExit as end:
        return int(str(end.code))
    return 0


def gauge(name: str) -> float:
    """Return what the gauge shows."""
    (value,) = [family.samples[0].value for family in TableCollector().collect() if family.name == name]
    return float(value)
