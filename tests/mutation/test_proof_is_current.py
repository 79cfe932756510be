"""The proof is about the code as it is: the slow part runs only when something guarded has changed."""

import pytest

from tests.mutation.edits import Mutation
from tests.mutation.mutations import MUTATIONS
from tests.mutation.proof import complaints_about, read_proof

WHAT_TO_DO = "run `make mutation GUARDS=--changed` and commit tests/mutation/proof.json and docs/mutation-proof.md"


class TestProof:
    @pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
    def test_was_made_with_this_code(self, mutation: Mutation) -> None:
        assert complaints_about(mutation, read_proof()) == [], WHAT_TO_DO

    def test_is_of_the_guards_that_there_are(self) -> None:
        assert sorted(read_proof()) == sorted(each.name for each in MUTATIONS), WHAT_TO_DO
