import pytest
from django.test import RequestFactory

from shared.http.etags import NEVER, InvalidIfMatch, etag_of, is_unchanged, version_in_if_match


class TestIfMatch:
    @pytest.mark.parametrize(
        ("header", "version"),
        [
            pytest.param('"v3"', 3, id="one version"),
            pytest.param('  "v3"  ', 3, id="one version among blanks"),
            pytest.param('"v2", "v10","v3"', 10, id="several, of which only the newest can be the present one"),
            pytest.param("*", None, id="any version"),
            pytest.param('W/"v3"', NEVER, id="a weak tag, which never matches"),
            pytest.param('W/"v9", "v3"', 3, id="a weak tag beside a strong one"),
            pytest.param('"abc"', NEVER, id="a tag of somebody else"),
            pytest.param('"v-1"', NEVER, id="no number"),
            pytest.param('""', NEVER, id="an empty tag"),
        ],
    )
    def test_names_the_version_that_was_seen(self, header: str, version: int | None) -> None:
        assert version_in_if_match(RequestFactory().get("/", headers={"If-Match": header})) == version

    def test_may_be_absent(self) -> None:
        assert version_in_if_match(RequestFactory().get("/")) is None

    @pytest.mark.parametrize("header", ["", "v3", '"v3', '"v3" "v4"', '"v3",', "*, *", "W/v3"])
    def test_that_is_no_list_of_tags_is_refused(self, header: str) -> None:
        with pytest.raises(InvalidIfMatch):
            version_in_if_match(RequestFactory().get("/", headers={"If-Match": header}))


class TestIfNoneMatch:
    @pytest.mark.parametrize("header", ['"v3"', 'W/"v3"', '"a,b", "v3"', "*", ' "v3" '])
    def test_names_the_copy_that_is_still_good(self, header: str) -> None:
        assert is_unchanged(RequestFactory().get("/", headers={"If-None-Match": header}), etag_of(3))

    @pytest.mark.parametrize("header", ['"v4"', "v3", '"v3', "", '"v3,"'])
    def test_names_another_copy(self, header: str) -> None:
        assert not is_unchanged(RequestFactory().get("/", headers={"If-None-Match": header}), etag_of(3))
