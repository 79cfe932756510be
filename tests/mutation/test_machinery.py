"""The proof is itself seen failing: what is no proof is not taken for one."""

from pathlib import Path

import pytest

from tests.mutation.edits import Edit, Mutation, UpdateTheMutation
from tests.mutation.proof import Proof, Proved, complaints_about, read_proof, write_proof, write_table
from tests.mutation.proving import TestRun, judge
from tests.mutation.regions import digests_of, region_around

CODE = """
LIMIT = 3


class Shelf:
    def take(self, units):
        # never more than there is
        if units > self.units:
            raise TooMany
        self.units -= units

    def count(self):
        return self.units
"""
MIGRATION = """
class Migration:
    operations = [
        CreateModel(
            name="Shelf",
        ),
        AddConstraint("never_empty"),
    ]
"""
TEST = "class TestShelf:\n    def test_refuses(self):\n        assert False\n"
GUARD = "        if units > self.units:\n            raise TooMany\n"
WITNESS = "tests/test_shelf.py::TestShelf::test_refuses"

MUTATION = Mutation(
    name="shelf",
    guarantee="G1",
    edits=(Edit("shelf.py", GUARD),),
    tests=("tests/test_shelf.py",),
    witness=("tests/test_shelf.py", "test_refuses"),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "shelf.py").write_text(CODE)
    (tmp_path / "tests/test_shelf.py").write_text(TEST)
    return tmp_path


def a_run(*, status: int = 1, failed: dict[str, str] | None = None, errors: dict[str, str] | None = None) -> TestRun:
    return TestRun(status=status, passed=(), failed=failed or {}, errors=errors or {}, seconds=1.0)


class TestEdit:
    def test_takes_the_guard_out(self, checkout: Path) -> None:
        MUTATION.edits[0].apply(checkout)

        assert "raise TooMany" not in (checkout / "shelf.py").read_text()
        assert "self.units -= units" in (checkout / "shelf.py").read_text()

    @pytest.mark.parametrize("text", ["", GUARD + GUARD], ids=["gone", "there twice"])
    def test_is_refused_when_its_anchor_is(self, text: str) -> None:
        with pytest.raises(UpdateTheMutation, match="update the mutation"):
            MUTATION.edits[0].changed(text)


class TestRegion:
    @pytest.mark.parametrize(
        ("code", "anchor", "name"),
        [
            pytest.param(CODE, GUARD, "Shelf.take", id="the innermost function"),
            pytest.param(CODE, "LIMIT = 3", "LIMIT", id="a constant"),
            pytest.param(MIGRATION, '("never_empty")', "Migration", id="an operation of a migration"),
        ],
    )
    def test_is(self, code: str, anchor: str, name: str) -> None:
        assert region_around(Edit("file.py", anchor), code)[0] == name

    def test_of_a_migration_leaves_the_other_operations_out(self) -> None:
        assert region_around(Edit("file.py", '("never_empty")'), MIGRATION)[1].split() == [
            'AddConstraint("never_empty"),'
        ]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            pytest.param("return self.units", "return self.units + 1", id="another function"),
            pytest.param("# never more than there is", "# no more than that", id="a comment"),
            pytest.param("LIMIT = 3", "LIMIT = 3\nOTHER = 4", id="the lines above"),
        ],
    )
    def test_has_the_same_digest_after_a_change_of(self, checkout: Path, old: str, new: str) -> None:
        before = digests_of(MUTATION, checkout)

        (checkout / "shelf.py").write_text(CODE.replace(old, new))

        assert digests_of(MUTATION, checkout) == before


class TestProof:
    @pytest.fixture
    def proof(self, checkout: Path) -> Proof:
        regions = digests_of(MUTATION, checkout)
        return {"shelf": Proved(caught=True, why="", by=(WITNESS,), seconds=1.0, regions=regions)}

    def test_is_current_until_something_guarded_changes(self, checkout: Path, proof: Proof) -> None:
        assert complaints_about(MUTATION, proof, checkout=checkout) == []

        (checkout / "shelf.py").write_text(CODE.replace("self.units -= units", "self.units -= 2 * units"))

        assert complaints_about(MUTATION, proof, checkout=checkout) == [
            "shelf: shelf.py::Shelf.take changed since the proof"
        ]

    def test_is_not_current_once_the_witness_claims_something_else(self, checkout: Path, proof: Proof) -> None:
        (checkout / "tests/test_shelf.py").write_text(TEST.replace("assert False", "assert True"))

        assert complaints_about(MUTATION, proof, checkout=checkout) == [
            "shelf: tests/test_shelf.py::test_refuses changed since the proof"
        ]

    def test_is_asked_for_when_there_is_none(self, checkout: Path) -> None:
        assert complaints_about(MUTATION, {}, checkout=checkout) == ["shelf was never proved"]

    def test_is_kept_and_shown(self, tmp_path: Path, proof: Proof) -> None:
        write_proof(proof, path=tmp_path / "proof.json")
        write_table([MUTATION], proof, path=tmp_path / "proof.md")

        assert read_proof(tmp_path / "proof.json") == proof
        assert "| G1 | shelf | **test_refuses** | 1 |" in (tmp_path / "proof.md").read_text()


class TestVerdict:
    @pytest.mark.parametrize("message", ["AssertionError: assert 2 == 1", "Failed: DID NOT RAISE <class 'TooMany'>"])
    def test_is_caught_when_the_witness_fails_on_its_claim(self, message: str) -> None:
        verdict = judge(MUTATION, a_run(failed={WITNESS: message}))

        assert (verdict.caught, verdict.by) == (True, (WITNESS,))

    @pytest.mark.parametrize(
        ("run", "why"),
        [
            pytest.param(a_run(status=0), "stays green", id="nothing fails"),
            pytest.param(a_run(status=2, errors={"shelf.py": "ImportError"}), "ended with 2", id="nothing is run"),
            pytest.param(a_run(errors={WITNESS: "AssertionError"}), "is not", id="only its fixtures fail"),
            pytest.param(a_run(failed={"tests/a.py::test_b": "assert 1"}), "is not", id="only another test fails"),
            pytest.param(a_run(failed={WITNESS: "NameError: units"}), "another reason", id="the code is broken"),
        ],
    )
    def test_is_not_caught_when(self, run: TestRun, why: str) -> None:
        verdict = judge(MUTATION, run)

        assert not verdict.caught
        assert why in verdict.why
