"""One search for all tests of this folder."""

import pytest
from delivery_parts import searched


@pytest.fixture(scope="session")
def nets(tmp_path_factory):
    study = searched(tmp_path_factory.mktemp("nets"))
    yield study
    study.close()
