"""Links of every kind, and the encoding of the audit trail read backwards, from nothing but its description."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from shared.audit.encoding import Checkpoint, Entry, Link, Seal
from shared.domain.model import Primitive


def json_text(value: Primitive) -> str:
    """Return the value as PostgreSQL's jsonb shows it: keys by length and then by bytes, two kinds of blanks."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{_quoted(key)}: {json_text(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(json_text(each) for each in value) + "]"
    if isinstance(value, str):
        return _quoted(value)
    return "null" if value is None else str(value).lower()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES: st.SearchStrategy[Primitive] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
BIG = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.none() | BIG
ENTRIES = st.builds(
    Entry,
    stream=BIG,
    position=BIG,
    id=st.uuids(),
    at=MOMENTS,
    recorded_at=MOMENTS,
    actor=TEXTS,
    action=TEXTS,
    subject_kind=TEXTS,
    subject_id=TEXTS,
    before=st.none() | VALUES.map(json_text),
    after=st.none() | VALUES.map(json_text),
    reason=TEXTS,
    correlation_id=TEXTS,
)
SEALS = st.builds(Seal, sequence=BIG, stream=BIG, position=BIG, entry_digest=st.binary(max_size=40), sealed_at=MOMENTS)
CHECKPOINTS = st.builds(
    Checkpoint, sequence=BIG, seal_sequence=BIG, seal_digest=st.binary(max_size=40), verified_at=MOMENTS
)
KINDS: dict[str, type[Link]] = {
    "orderly.audit.entry.1": Entry,
    "orderly.audit.seal.1": Seal,
    "orderly.audit.checkpoint.1": Checkpoint,
}


def decoded(encoding: bytes) -> Link:
    """Undo the encoding, by nothing but its description."""
    raw: list[bytes | None] = []
    while encoding:
        length, encoding = int.from_bytes(encoding[:4], "big"), encoding[4:]
        if length == 0xFFFFFFFF:
            raw.append(None)
            continue
        raw.append(encoding[:length])
        encoding = encoding[length:]
    kind = KINDS[(raw.pop(0) or b"").decode()]
    names = list(kind.__dataclass_fields__)
    assert len(names) == len(raw)
    return kind(**{name: _decoded_field(name, value) for name, value in zip(names, raw, strict=True)})


def _decoded_field(name: str, value: bytes | None) -> Any:
    if value is None:
        return None
    if name in {"stream", "position", "sequence", "seal_sequence"} or name.endswith("at"):
        return int.from_bytes(value, "big", signed=True)
    if name.endswith("digest"):
        return value
    return UUID(bytes=value) if name == "id" else value.decode()


def microseconds(at: datetime) -> int:
    """Return the moment as it is encoded."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
