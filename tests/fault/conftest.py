import pytest

pytest.register_assert_rewrite("town", "books", "billing_world")
from town import Town  # noqa: E402  (it also finds the sandbox)
from fixture import Sandbox  # noqa: E402
from harness import WorkerRunner  # noqa: E402


@pytest.fixture(scope="module")
def crowd(cluster, migrated_template, tmp_path_factory):
    """One database and one sandbox for all tests of a module: Town.begin makes them as new."""
    folder = tmp_path_factory.mktemp("town")
    database = cluster.create(migrated_template.name)
    with Sandbox(folder) as sandbox:
        yield database, sandbox
    database.drop()


@pytest.fixture
def town(crowd, tmp_path):
    database, sandbox = crowd
    runner = WorkerRunner(database, tmp_path)
    yield Town(database, runner, sandbox)
    runner.clean_up()
