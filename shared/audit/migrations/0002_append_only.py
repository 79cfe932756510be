"""Chains entries, seals and checkpoints in the database, and refuses every change of what is there.

The encoding is described in docs/decisions/0010-audit-trail.md; shared/audit/encoding.py is the same in Python.
"""

from django.db import migrations

APPEND_ONLY = ("audit_entry", "audit_seal", "audit_checkpoint")

ENCODING = r"""
CREATE FUNCTION audit_field(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value IS NULL THEN '\xffffffff'::bytea ELSE int4send(octet_length(value)) || value END
$$;
CREATE FUNCTION audit_text(value text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT audit_field(convert_to(value, 'UTF8'))
$$;
CREATE FUNCTION audit_number(value bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT audit_field(int8send(value))
$$;
CREATE FUNCTION audit_moment(value timestamptz) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT audit_number((extract(epoch FROM value) * 1000000)::bigint)
$$;
CREATE FUNCTION audit_encoding(entry audit_entry) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT audit_text('orderly.audit.entry.1') || audit_number(entry.stream) || audit_number(entry.position)
        || audit_field(uuid_send(entry.id)) || audit_moment(entry.at) || audit_moment(entry.recorded_at)
        || audit_text(entry.actor) || audit_text(entry.action)
        || audit_text(entry.subject_kind) || audit_text(entry.subject_id)
        || audit_text(entry.before::text) || audit_text(entry.after::text)
        || audit_text(entry.reason) || audit_text(entry.correlation_id)
$$;
CREATE FUNCTION audit_encoding(seal audit_seal) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT audit_text('orderly.audit.seal.1') || audit_number(seal.sequence) || audit_number(seal.stream)
        || audit_number(seal.position) || audit_field(seal.entry_digest) || audit_moment(seal.sealed_at)
$$;
CREATE FUNCTION audit_encoding(checkpoint audit_checkpoint) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT audit_text('orderly.audit.checkpoint.1') || audit_number(checkpoint.sequence)
        || audit_number(checkpoint.seal_sequence) || audit_field(checkpoint.seal_digest)
        || audit_moment(checkpoint.verified_at)
$$;
"""

NO_ENCODING = """
DROP FUNCTION audit_encoding(audit_checkpoint);
DROP FUNCTION audit_encoding(audit_seal);
DROP FUNCTION audit_encoding(audit_entry);
DROP FUNCTION audit_moment(timestamptz);
DROP FUNCTION audit_number(bigint);
DROP FUNCTION audit_text(text);
DROP FUNCTION audit_field(bytea);
"""

# The stream is any that no open transaction writes to (SKIP LOCKED), or a new one: no writer ever waits for another.
# The greatest() keeps writers going after somebody has set a stream back; the audit finds what was done.
CHAINING = r"""
CREATE FUNCTION audit_chain_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_stream;
BEGIN
    SELECT * INTO head FROM audit_stream WHERE id > 0 ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        INSERT INTO audit_stream (entries, digest) VALUES (0, decode(repeat('00', 32), 'hex')) RETURNING * INTO head;
    END IF;
    NEW.recorded_at := clock_timestamp();
    NEW.stream := head.id;
    NEW.position := 1 + greatest(
        head.entries, coalesce((SELECT max(position) FROM audit_entry WHERE stream = head.id), 0)
    );
    NEW.digest := sha256(head.digest || audit_encoding(NEW));
    UPDATE audit_stream SET entries = NEW.position, digest = NEW.digest WHERE id = head.id;
    RETURN NEW;
END $$;

CREATE FUNCTION audit_chain_seal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_stream;
BEGIN
    INSERT INTO audit_stream (id, entries, digest) VALUES (0, 0, decode(repeat('00', 32), 'hex'))
    ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_stream WHERE id = 0 FOR NO KEY UPDATE;
    NEW.sealed_at := clock_timestamp();
    NEW.sequence := 1 + greatest(head.entries, coalesce((SELECT max(sequence) FROM audit_seal), 0));
    NEW.digest := sha256(head.digest || audit_encoding(NEW));
    UPDATE audit_stream SET entries = NEW.sequence, digest = NEW.digest WHERE id = 0;
    RETURN NEW;
END $$;

CREATE FUNCTION audit_chain_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_stream;
BEGIN
    INSERT INTO audit_stream (id, entries, digest) VALUES (-1, 0, decode(repeat('00', 32), 'hex'))
    ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_stream WHERE id = -1 FOR NO KEY UPDATE;
    NEW.verified_at := clock_timestamp();
    NEW.sequence := 1 + greatest(head.entries, coalesce((SELECT max(sequence) FROM audit_checkpoint), 0));
    NEW.digest := sha256(head.digest || audit_encoding(NEW));
    UPDATE audit_stream SET entries = NEW.sequence, digest = NEW.digest WHERE id = -1;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_entry_is_chained BEFORE INSERT ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_chain_entry();
CREATE TRIGGER audit_seal_is_chained BEFORE INSERT ON audit_seal
    FOR EACH ROW EXECUTE FUNCTION audit_chain_seal();
CREATE TRIGGER audit_checkpoint_is_chained BEFORE INSERT ON audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION audit_chain_checkpoint();
ALTER TABLE audit_stream SET (fillfactor = 25);
"""

NO_CHAINING = """
ALTER TABLE audit_stream RESET (fillfactor);
DROP TRIGGER audit_checkpoint_is_chained ON audit_checkpoint;
DROP TRIGGER audit_seal_is_chained ON audit_seal;
DROP TRIGGER audit_entry_is_chained ON audit_entry;
DROP FUNCTION audit_chain_checkpoint();
DROP FUNCTION audit_chain_seal();
DROP FUNCTION audit_chain_entry();
"""

# ALWAYS: also when session_replication_role is "replica", which turns off ordinary triggers.
REFUSING = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION audit_refuse_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'the audit trail keeps % itself: % by hand is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
""" + "".join(
    f"""
CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_is_append_only;
"""
    for table in APPEND_ONLY
) + """
CREATE TRIGGER audit_stream_is_append_only BEFORE DELETE OR TRUNCATE ON audit_stream
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_stream ENABLE ALWAYS TRIGGER audit_stream_is_append_only;
CREATE TRIGGER audit_stream_is_kept_by_triggers BEFORE INSERT OR UPDATE ON audit_stream
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_by_hand();
ALTER TABLE audit_stream ENABLE ALWAYS TRIGGER audit_stream_is_kept_by_triggers;
"""

NO_REFUSING = (
    "DROP TRIGGER audit_stream_is_kept_by_triggers ON audit_stream;\n"
    + "".join(f"DROP TRIGGER {table}_is_append_only ON {table};\n" for table in ("audit_stream", *APPEND_ONLY))
    + "DROP FUNCTION audit_refuse_by_hand();\nDROP FUNCTION audit_refuse();\n"
)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.RunSQL(ENCODING, NO_ENCODING),
        migrations.RunSQL(CHAINING, NO_CHAINING),
        migrations.RunSQL(REFUSING, NO_REFUSING),
    ]
