import pytest

pytest.register_assert_rewrite("town", "books", "billing_world")
from town import Town  # noqa: E402
from fixture import Sandbox  # noqa: E402
from harness import WorkerRunner  # noqa: E402


@pytest.fixture(scope="module")
def crowd(cluster, migrated_template, tmp_path_factory):
    """One database and one sandbox for all tests of a module: Town.begin makes them as new."""
    folder = tmp_path_factory.mktemp("town")
    with cluster.database(migrated_template.name) as database, Sandbox(folder) as sandbox:
        yield database, sandbox


@pytest.fixture
def town(crowd, tmp_path):
    database, sandbox = crowd
    with WorkerRunner(database, tmp_path) as runner:
        yield Town(database, runner, sandbox)
