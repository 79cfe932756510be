"""What somebody with all rights might do to an audit trail of ten entries in one stream, six before the checkpoint."""

#: The statements, what of it is found from the checkpoint on, and what by reading all. ``{s}`` is the stream;
#: of the ten entries, eight are sealed: by the seals 1 (up to 3), 2 (up to 6, checkpoint 1) and 3 (up to 8).
TAMPERING: dict[str, tuple[list[str], str, str]] = {
    "removed entry, sealed": (
        ["DELETE FROM audit_entry WHERE position = 7"],
        "stream {s}: 7 is missing",
        "stream {s}: 7 is missing",
    ),
    "removed entry that a seal names": (
        ["DELETE FROM audit_entry WHERE position = 8"],
        "seal 3: seals entry 8 of stream {s}, which is missing",
        "stream {s}: 8 is missing",
    ),
    "removed entry, before it was sealed": (
        ["DELETE FROM audit_entry WHERE position = 9"],
        "stream {s}: 9 is missing",
        "stream {s}: 9 is missing",
    ),
    "removed last entry, before it was sealed": (
        ["DELETE FROM audit_entry WHERE position = 10"],
        "stream {s}: 10 is missing",
        "stream {s}: 10 is missing",
    ),
    "removed all unsealed entries": (
        ["DELETE FROM audit_entry WHERE position > 8"],
        "stream {s}: 9 to 10 are missing",
        "stream {s}: 9 to 10 are missing",
    ),
    "removed last entry, and the end of the stream set back over a sealed one": (
        [
            "DELETE FROM audit_entry WHERE position > 7",
            "UPDATE audit_stream AS s SET entries = 7, digest = e.digest FROM audit_entry AS e "
            "WHERE s.id > 0 AND e.position = 7",
        ],
        "seal 3: seals entry 8 of stream {s}, which is missing",
        "seal 3: seals entry 8 of stream {s}, which is missing",
    ),
    "removed old entry": (
        ["DELETE FROM audit_entry WHERE position = 2"],
        "",
        "stream {s}: 2 is missing",
    ),
    "removed entry at the checkpoint": (
        ["DELETE FROM audit_entry WHERE position = 6"],
        "entry 6 of stream {s}: was sealed, and is missing or another one",
        "seal 2: seals entry 6 of stream {s}, which is missing",
    ),
    "removed everything of a stream": (
        ["DELETE FROM audit_entry", "DELETE FROM audit_stream WHERE id > 0"],
        "entry 6 of stream {s}: was sealed, and is missing or another one",
        "seal 1: seals entry 3 of stream {s}, which is missing",
    ),
    "removed end of a stream": (
        ["DELETE FROM audit_stream WHERE id > 0"],
        "stream {s}: was cut off from its end, which is missing",
        "stream {s}: was cut off from its end, which is missing",
    ),
    "reordered entries": (
        [
            "UPDATE audit_entry SET position = -1 WHERE position = 7",
            "UPDATE audit_entry SET position = 7 WHERE position = 9",
            "UPDATE audit_entry SET position = 9 WHERE position = -1",
        ],
        "is not what was written at place 7",
        "is not what was written at place 7",
    ),
    "entry moved away": (
        ["UPDATE audit_entry SET position = 0 WHERE position = 1"],
        "",
        "stands at place 0, where none was ever written",
    ),
    "entry moved to a stream of its own": (
        ["UPDATE audit_entry SET stream = 99, position = 1 WHERE position = 9"],
        "stream 99: was cut off from its end, which is missing",
        "stream 99: was cut off from its end, which is missing",
    ),
    "removed seal": (
        ["DELETE FROM audit_seal WHERE sequence = 1"],
        "",
        "chain of seals: 1 is missing",
    ),
    "removed seal of the checkpoint": (
        ["DELETE FROM audit_seal WHERE sequence = 2"],
        "checkpoint 1: names seal 2, which is missing or another one",
        "chain of seals: 2 is missing",
    ),
    "removed last seal": (
        ["DELETE FROM audit_seal WHERE sequence = 3"],
        "chain of seals: 3 is missing",
        "chain of seals: 3 is missing",
    ),
    "removed all seals": (
        ["DELETE FROM audit_seal"],
        "chain of seals: 1 to 3 are missing",
        "chain of seals: 1 to 3 are missing",
    ),
    "inserted seal, by force": (
        [
            "SET LOCAL session_replication_role = replica",
            "INSERT INTO audit_seal (sequence, stream, position, entry_digest, digest) "
            "SELECT 4, stream, position, digest, digest FROM audit_entry WHERE position = 9",
        ],
        "seal 4: is not what was written at place 4",
        "chain of seals: goes on to 4, but ended otherwise at 3",
    ),
    "inserted seal, of no entry": (
        ["INSERT INTO audit_seal (stream, position, entry_digest) VALUES (77, 1, 'forged')"],
        "seal 4: seals entry 1 of stream 77, which is missing",
        "seal 4: seals entry 1 of stream 77, which is missing",
    ),
    "reordered seals": (
        [
            "UPDATE audit_seal SET sequence = -1 WHERE sequence = 2",
            "UPDATE audit_seal SET sequence = 2 WHERE sequence = 3",
            "UPDATE audit_seal SET sequence = 3 WHERE sequence = -1",
        ],
        "seal 3: is not what was written at place 3",
        "seal 2: is not what was written at place 2",
    ),
    "seal put before all": (
        ["UPDATE audit_seal SET sequence = 0 WHERE sequence = 1"],
        "",
        "seal 0: stands at place 0, where none was ever written",
    ),
    "inserted entry, by force": (
        [
            "SET LOCAL session_replication_role = replica",
            "INSERT INTO audit_entry (id, at, actor, action, subject_kind, subject_id, reason, correlation_id, stream, "
            "position, digest) VALUES (gen_random_uuid(), now(), 'a', 'b', 'c', 'd', '', '', {s}, 11, 'forged')",
        ],
        "is not what was written at place 11",
        "stream {s}: goes on to 11, but ended otherwise at 10",
    ),
    "removed checkpoint": (
        ["DELETE FROM audit_checkpoint"],
        "chain of checkpoints: 1 is missing",
        "chain of checkpoints: 1 is missing",
    ),
    "checkpoint moved ahead": (
        [
            "UPDATE audit_checkpoint AS c SET seal_sequence = 3, seal_digest = s.digest FROM audit_seal AS s "
            "WHERE s.sequence = 3"
        ],
        "checkpoint 1: is not what was written at place 1",
        "checkpoint 1: is not what was written at place 1",
    ),
    "inserted checkpoint": (
        ["INSERT INTO audit_checkpoint (seal_sequence, seal_digest) VALUES (3, 'forged')"],
        "checkpoint 2: names seal 3, which is missing or another one",
        "checkpoint 2: names seal 3, which is missing or another one",
    ),
    "end of a chain of seals edited": (
        ["UPDATE audit_stream SET digest = 'forged' WHERE id = 0"],
        "chain of seals: goes on to 3, but ended otherwise at 3",
        "chain of seals: goes on to 3, but ended otherwise at 3",
    ),
    "garbage": (
        [
            "ALTER TABLE audit_entry ALTER digest DROP NOT NULL, ALTER actor DROP NOT NULL",
            "UPDATE audit_entry SET at = 'infinity', actor = NULL, digest = '\\x00' WHERE position = 8",
            "UPDATE audit_entry SET at = '290000-01-01', before = '[1e400, 1.50]' WHERE position = 9",
        ],
        "is not what was written at place 8",
        "is not what was written at place 9",
    ),
    "digest blanked": (
        [
            "ALTER TABLE audit_entry ALTER digest DROP NOT NULL",
            "UPDATE audit_entry SET digest = NULL WHERE position = 9",
        ],
        "is not what was written at place 9",
        "is not what was written at place 9",
    ),
}

#: A change of each column of an entry.
EDITS: dict[str, str] = {
    "id": "gen_random_uuid()",
    "at": "at - interval '1 microsecond'",
    "recorded_at": "recorded_at - interval '1 microsecond'",
    "actor": "'staff:2'",
    "action": "'inventory.adjust_stocks'",
    "subject_kind": "'item'",
    "subject_id": "'item-0'",
    "before": "'{\"on_hand\": 8}'",
    "after": "NULL",
    "reason": "reason || ' '",
    "correlation_id": "'c-2'",
    "stream": "stream + 1",
    "position": "position + 100",
    "digest": "sha256(digest)",
}
