"""messenger.translate, for texts that SQL makes."""
import json

import pytest


@pytest.fixture
def say(database):
    database.execute(
        "insert into messenger.translation (name, from_text, to_text) values"
        " ('ru', 'Hello, {{name}}!\\nBye', 'Привет, <b>{{ name }}</b> 🎉\\nПока {{name}}'),"
        " ('ru', 'Empty', ''), ('ru', 'None', null), ('en', 'Twice', 'Once')")

    def say(text, set_name="ru", **fields):
        return database.value("select messenger.translate(%s, %s, %s)", set_name, text,
                              json.dumps(fields))

    return say


def test_a_text_is_found_however_it_is_laid_out(say):
    for text in "Hello, {{name}}!\nBye", "  Hello,  {{name}}!\n   Bye ":
        assert say(text, name="<Анна & \"O'\">") == (
            "Привет, <b>&lt;Анна &amp; \"O'\"&gt;</b> 🎉\nПока &lt;Анна &amp; \"O'\"&gt;")


def test_without_a_translation_the_text_itself_is_said(say):
    for text in "Empty", "None", "Twice", "unknown\n  {{name}}", "":
        assert say(text, name="x") == text.replace("{{name}}", "x")
    assert say("Empty", set_name=None) == "Empty"
    assert say("Twice", set_name="en") == "Once"


def test_a_value_is_never_read_as_a_placeholder(say):
    assert say("{{a}}{{b}}{{c}}", a="{{b}}", b="\\n\\1 $1") == "{{b}}\\n\\1 $1"
