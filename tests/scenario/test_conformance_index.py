"""Every number of the conformance list that is the supervisor's has a test.

A number is shown by a test of its name, test_sNN_..., in one of the conformance files, or by a line
in the docstring of one of them, "S1  FILE::TEST", whose test must exist; FILE is beside this one, or
FOLDER/FILE beside its folder.
"""
import ast
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
NUMBERS = range(1, 69)
ENTRY = re.compile(r"^S(\d+)\s+(\S+)::(\w+)$", re.M)


def parsed(path):
    return ast.parse(path.read_text())


def functions_of(path):
    return {node.name for node in parsed(path).body if isinstance(node, ast.FunctionDef)
            and node.name.startswith("test_")}


def conformance_files():
    return sorted(HERE.glob("test_conformance_*.py"))


def entries():
    return [(int(number), file, test) for path in conformance_files()
            for number, file, test in ENTRY.findall(ast.get_docstring(parsed(path)) or "")]


def test_every_number_is_shown():
    shown = {number for number, _, _ in entries()}
    for path in conformance_files():
        shown |= {int(found[1]) for name in functions_of(path) if (found := re.match(r"test_s(\d+)_", name))}
    assert not sorted(set(NUMBERS) - shown)


def test_every_test_that_is_named_exists():
    missing = []
    for _, file, test in entries():
        path = HERE.parent / file if "/" in file else HERE / file
        if not path.exists() or test not in functions_of(path):
            missing.append(f"{file}::{test}")
    assert not missing
