"""Builds the workers of tests/worker/ as the fleet's are built."""
import subprocess

from harness import BUILD, ROOT

PACKAGES = ["libpq", "libcurl", "libcjson", "libssl", "libcrypto", "libuv"]


def build_consumer(folder, *flags):
    """The worker that does what its jobs say."""
    return build_worker("consumer", folder, *flags)


def build_worker(name, folder, *flags):
    """The path of the program, in folder."""
    sources = ROOT / "tests/worker"
    header = subprocess.run(["awk", "-f", ROOT / "scripts/sql2h.awk", sources / f"{name}.sql"],
                            check=True, capture_output=True).stdout
    (folder / f"{name}_sql.h").write_bytes(header)
    libraries = subprocess.run(["pkg-config", "--cflags", "--libs", *PACKAGES], check=True, text=True,
                               capture_output=True).stdout.split()
    sanitizers = ["-fsanitize=address,undefined"] if BUILD.name.endswith("-san") else []
    program = folder / name
    subprocess.run(["cc", "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                    "-Wno-missing-field-initializers", *flags, *sanitizers, "-iquote", folder,
                    "-iquote", ROOT / "shared", sources / f"{name}.c", BUILD / "libworker.a",
                    BUILD / "libops.a", *libraries, "-lm", "-o", program], check=True)
    return program
