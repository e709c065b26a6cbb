"""opsctl import_tron_addresses: what fills the pool, and what must not get into it."""
import subprocess

import pytest
from cryptography.fernet import Fernet, InvalidToken

import tron_address
from harness import BUILD, worker_environment

KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#: The two smallest keys of the curve, whose addresses anybody can look up.
ONE, TWO = "0" * 63 + "1", "0" * 63 + "2"
OF_ONE, OF_TWO = "TMVQGm1qAQYVdetCeGRRkTWYYrLXuHK2HC", "TDvSsdrNM5eeXNL3czpa6AxLDHZA9nwe9K"
#: One more than the largest key of secp256k1.
ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"


@pytest.fixture
def import_(worker):
    def run(*lines, args=(), **settings):
        (worker.folder / "addresses").write_text("\n".join(lines))
        return worker(BUILD / "libexec/import_tron_addresses", *args, "addresses",
                      **{"FIELD_ENCRYPTION_KEY": KEY, **settings})
    return run


def stored(database):
    return {row.address: Fernet(KEY).decrypt(row.private_key_encrypted.encode()).decode()
            for row in database.query("select * from cashier.tron_address where status = 'FREE'")}


def test_the_oracle_knows_published_addresses():
    assert tron_address.of_key(1) == OF_ONE and tron_address.of_key(2) == OF_TWO


def test_addresses_are_stored_with_their_keys_encrypted(import_, database):
    made = [tron_address.make(n) for n in range(20)]
    done = import_(f"{OF_ONE},{ONE}", "", f" {OF_TWO} ,\t{TWO}\r",
                   *[f"{address},{key.upper()}" for key, address in made])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "addresses imported: 22\n"
    assert stored(database) == {OF_ONE: ONE, OF_TWO: TWO,
                                **{address: key.upper() for key, address in made}}


def test_a_key_that_is_made_here_is_pythons_too(import_, database):
    """Of two, the first encrypts; a value of the older one is read as well (test_sender.py)."""
    made = [subprocess.run([BUILD / "bin/opsctl", "generate_field_encryption_key"], text=True,
                           capture_output=True, check=True).stdout for _ in range(2)]
    new, old = (text.removesuffix("\n") for text in made)
    assert new != old and len(new) == 44
    done = import_(f"{OF_ONE},{ONE}", FIELD_ENCRYPTION_KEY=f"{new},{old}")
    assert done.returncode == 0, done.stderr
    value = database.value("select private_key_encrypted from cashier.tron_address").encode()
    assert Fernet(new).decrypt(value, ttl=60).decode() == ONE
    with pytest.raises(InvalidToken):
        Fernet(old).decrypt(value)


def test_a_second_import_changes_nothing(import_, database):
    import_(f"{OF_ONE},{ONE}")
    before = database.query("select * from cashier.tron_address")
    done = import_(f"{OF_ONE},{ONE}", f"{OF_TWO},{TWO}")
    assert done.stdout == "addresses imported: 1, there already: 1\n"
    assert database.query("select * from cashier.tron_address where address = %s", OF_ONE) == before


def test_all_bad_lines_are_said_at_once_and_nothing_is_imported(import_, database):
    key, address = tron_address.make(1)
    done = import_(f"{address},{key}",
                   f"{address[:-1]}{'1' if address[-1] != '1' else '2'},{key}",
                   f"{OF_ONE},{ONE[:-1]}",
                   f"{OF_ONE},0x{ONE[2:]}",
                   f"{OF_ONE},{TWO}",
                   f"{OF_ONE},{'0' * 64}",
                   f"{OF_ONE},{ORDER}",
                   f"{address},{key}",
                   f"{OF_ONE}",
                   "1111111111111111111114oLvT2," + ONE,
                   f"{OF_ONE},{ONE},",
                   f"{OF_TWO},{TWO}")
    assert done.returncode == 1 and done.stdout == ""
    found = [line.partition(":") for line in done.stderr.splitlines() if line.startswith("line ")]
    assert [line[0] for line in found] == [f"line {n}" for n in range(2, 12)]
    words = [line[2] for line in found]
    assert "checksum" in words[0] and "64 hex digits" in words[1] and "64 hex digits" in words[2]
    assert "does not belong" in words[3]
    assert "private key" in words[4] and "private key" in words[5]
    assert "before this one" in words[6] and "want" in words[7] and "Tron address" in words[8]
    assert "10 bad lines; nothing was imported" in done.stderr
    assert stored(database) == {}


def test_no_key_is_ever_said(import_):
    key, address = tron_address.make(1)
    other = tron_address.make(2)[1]
    for line in f"{address},{key}", f"{other},{key}", f"{key},{address}", key:
        for args in (), ("--dry-run",):
            done = import_(line, args=args)
            assert key not in done.stdout + done.stderr


def test_standard_input(database, tmp_path):
    done = subprocess.run([BUILD / "libexec/import_tron_addresses"], cwd=tmp_path, text=True,
                          input=f"{OF_ONE},{ONE}\n", capture_output=True,
                          env=worker_environment(DATABASE_URL=database.url,
                                                 FIELD_ENCRYPTION_KEY=KEY))
    assert done.returncode == 0 and stored(database) == {OF_ONE: ONE}


def test_what_stops_it_is_named(import_, worker):
    done = worker(BUILD / "libexec/import_tron_addresses", "nowhere", FIELD_ENCRYPTION_KEY=KEY)
    assert done.returncode == 1 and "cannot open nowhere" in done.stderr
    done = import_(f"{OF_ONE},{ONE}", FIELD_ENCRYPTION_KEY="short")
    assert done.returncode == 78 and "FIELD_ENCRYPTION_KEY" in done.stderr
    assert import_(f"{OF_ONE},{ONE}", args=("a",)).returncode == 2


def test_a_dry_run_imports_nothing(import_, database):
    assert "addresses to import: 1\n" in import_(f"{OF_ONE},{ONE}", args=("--dry-run",)).stdout
    assert stored(database) == {}
