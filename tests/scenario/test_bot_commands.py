"""call_command, call_inline_reply, and the commands on translations."""
import json

import pytest

from bot_world import shop  # noqa: F401

TRICKY = 'Кириллица «ёлки» 🎉 "quotes" \\n <b>{{name}}</b>\n\tAT&amp;T \\\\ \''


# --- replies by hand


def test_a_reply_by_hand_is_what_the_bot_says(shop):
    plan = shop.plan()
    customer = shop.customer()
    shop.database.execute("insert into messenger.translation (name, from_text, to_text)"
                          " values ('ru', 'Plans', 'Тарифы')")
    done = shop.command("call_command", customer, "start", TRANSLATION="ru")
    assert done.returncode == 0, done.stderr
    kind, payload = done.stdout.rstrip("\n").split(" ", 1)
    assert kind == "send-message" and [json.loads(payload)] == shop.said()
    by_hand = shop.command("call_inline_reply", customer, "accesser", "plan", plan)
    assert by_hand.returncode == 0, by_hand.stderr
    shop.serve(TRANSLATION="ru")
    assert shop.answer(shop.press(f"accesser&2&plan&{plan}")) == shop.said()[1]
    shop.answer(shop.write("/start", first_name="Anna"))
    assert shop.said()[-1] == shop.said()[0]


def test_a_dry_run_says_and_changes_nothing(shop):
    shop.plan()
    shop.addresses()
    customer = shop.customer()
    done = shop.command("call_inline_reply", "--dry-run", customer, "cashier", "buy", "1")
    assert done.returncode == 0 and "You buy <b>Club</b>" in done.stdout
    assert shop.said() == []
    assert shop.database.value("select count(*) from cashier.building_invoice") == 0


@pytest.mark.parametrize("command, args, code, text", [
    ("call_command", ["1"], 2, "want CUSTOMER REPLY"),
    ("call_command", ["1", "nothing"], 1, "no reply nothing"),
    ("call_command", ["999", "start"], 1, "no customer 999"),
    ("call_command", ["x", "start"], 1, "no customer x"),
    ("call_inline_reply", ["1", "accesser"], 2, "want CUSTOMER APP REPLY"),
    ("call_inline_reply", ["1", "accesser", "start"], 1, "no reply accesser/start"),
    ("call_inline_reply", ["1", "accesser", "plan", "1:2:3:4:5"], 2, "too many arguments"),
])
def test_orders_that_cannot_be_followed(shop, command, args, code, text):
    assert shop.customer() == 1
    done = shop.command(command, *args)
    assert done.returncode == code and text in done.stderr, done


# --- translations


def rows(shop, name="ru"):
    return {row.from_text: row for row in shop.database.query(
        "select * from messenger.translation where name = %s", name)}


def make(shop, *args):
    done = shop.command("make_translations", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_set_has_the_texts_of_the_source(shop, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = shop.command("make_translations", "ru", cwd=elsewhere)
    assert done.stdout.endswith("Translation ru has been made\n")
    assert done.stdout.startswith("new: ")
    texts = rows(shop)
    assert "Plans" in texts and "\\n{{title}}: until {{ends}}" in texts
    assert ("You buy <b>{{title}}</b> for {{days}} days: {{price}} USDT.\\n"
            "The offer stands for 30 minutes.") in texts
    assert all(row.active and row.to_text is None for row in texts.values())

    shop.database.execute("update messenger.translation set to_text = 'x' where from_text = 'Plans'")
    shop.database.execute("update messenger.translation set active = false where from_text = 'Buy'")
    shop.database.execute("insert into messenger.translation (name, from_text, to_text)"
                          " values ('ru', 'Gone\\ntext', 'y'), ('de', 'Gone', 'z')")
    told = make(shop, "ru")
    assert r"no longer in the source: " in told and "Gone" in told
    assert "new: 0, back: 1, no longer used: 1" in told
    texts = rows(shop)
    assert texts["Plans"].to_text == "x" and texts["Buy"].active
    assert not texts["Gone\\ntext"].active and rows(shop, "de")["Gone"].active
    assert "new: 0, back: 0, no longer used: 0" in make(shop, "ru")


@pytest.mark.parametrize("option", ["--delete_old_translations", "--delete-old-translations",
                                    "--delete_old_transaltions"])
def test_a_set_is_made_anew(shop, option):
    make(shop, "ru")
    shop.database.execute("insert into messenger.translation (name, from_text, to_text)"
                          " values ('ru', 'Gone', 'y'), ('de', 'Gone', 'z')")
    make(shop, "ru", option)
    assert "Gone" not in rows(shop) and "Plans" in rows(shop) and "Gone" in rows(shop, "de")


def test_export_and_import_round_trip(shop, tmp_path):
    make(shop, "ru")
    shop.database.execute("insert into messenger.translation (name, from_text, to_text)"
                          " values ('ru', %s, %s)", "Hello {{name}} \"you\" \\n🎉 ёж", TRICKY)
    before = rows(shop)
    done = shop.command("../bin/opsctl", "export_export", "ru")
    assert done.returncode == 0, done.stderr
    path = shop.worker.folder / "export/ru_translation.json"
    text = path.read_text(encoding="utf-8")
    assert "Кириллица «ёлки» 🎉" in text and text.startswith('{\n    "')
    content = json.loads(text)
    assert content == {str(row.id): [row.from_text, row.to_text or ""] for row in before.values()}
    assert json.dumps(content, ensure_ascii=False, indent=4) + "\n" == text
    shop.database.execute("update messenger.translation set to_text = null")
    done = shop.command("import_translation", "ru")
    assert f"imported {len(before)} texts of ru" in done.stdout, done
    after = rows(shop)
    assert {text: row.to_text or None for text, row in after.items()} == {
        text: row.to_text for text, row in before.items()}
    again = shop.command("export_translation", "ru")
    assert again.returncode == 0 and path.read_text(encoding="utf-8") == text


def test_an_import_skips_what_the_set_does_not_have(shop, tmp_path):
    make(shop, "ru")
    make(shop, "de")
    plans, foreign = rows(shop)["Plans"].id, rows(shop, "de")["Plans"].id
    path = tmp_path / "given.json"
    path.write_text(json.dumps({str(plans): ["Plans", "Планы"], str(foreign): ["Foreign", "Pläne"],
                                "999999": ["a", "b"]}))
    done = shop.command("import_translation", "ru", path)
    assert done.returncode == 0, done
    assert 'no text "999999"' in done.stdout and f'no text "{foreign}"' in done.stdout
    assert rows(shop)["Plans"].to_text == "Планы"
    assert rows(shop, "de")["Plans"].to_text is None


BAD_ROWS = {"x": ["a", "b"], "01": ["c", "d"], "2": ["e"], "3": ["f", 5], "4": "g",
            "5": ["h {{name}}", "{{nam}}"], "6": ["i", "<b>not closed"], "7": ["", "j"],
            "8": ["same  text", ""], "9": [" same text", ""], "0": ["k", ""]}


def test_all_that_is_wrong_in_a_file_is_said_and_nothing_is_changed(shop, tmp_path):
    make(shop, "ru")
    good = rows(shop)["Plans"]
    path = tmp_path / "given.json"
    path.write_text(json.dumps({str(good.id + 100): ["Plans", "Планы"], **BAD_ROWS}))
    done = shop.command("import_translation", "ru", path)
    assert done.returncode == 1 and "10 errors; nothing was imported" in done.stderr
    for key in BAD_ROWS:
        assert (f'"{key}": ' in done.stderr) == (key != "8"), key
    assert rows(shop)["Plans"] == good
    for text in "", "[]", "{", '{"1": ["a", "b"], "1": ["c", "d"]}', '{"1": ["a", "\ud800"]}':
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        assert shop.command("import_translation", "ru", path).returncode == 1
    assert shop.command("import_translation", "ru", tmp_path / "none").returncode == 1
    assert shop.command("import_translation", "de").returncode == 1
    assert shop.command("export_translation", "none").returncode == 1
    for name in "", "../x", "a b", "-x", "x" * 65:
        assert shop.command("make_translations", name).returncode == 2


def test_an_exported_set_is_what_people_read(shop):
    make(shop, "ru")
    shop.command("export_translation", "ru")
    path = shop.worker.folder / "export/ru_translation.json"
    content = json.loads(path.read_text())
    for pair in content.values():
        if pair[0].startswith("Hello, <b>{{name}}</b>!"):
            pair[1] = "Привет, <i>{{name}}</i> 🎉\\nЗдесь продают \"доступ\" & всё"
    path.write_text(json.dumps(content))
    assert shop.command("import_translation", "ru").returncode == 0
    shop.serve(TRANSLATION="ru")
    said = shop.answer(shop.write("/start", first_name="<Ё> \"'&{{days}}"))
    assert said["text"] == ("Привет, <i>&lt;Ё&gt; \"'&amp;{{days}}</i> 🎉\n"
                            "Здесь продают \"доступ\" & всё")


# As the documents spell them, and right.
COMMANDS = [
    "get_chat_info", "ban_chat_member", "unban_chat_member", "generate_field_encryption_key",
    "setup_webhook", "call_command", "call_inline_reply", "export_export", "export_translation",
    "import_translation", "make_translations", "skip_bot_upodates", "skip_bot_updates",
    "import_tron_addresses"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_document_is_found(shop, name):
    done = shop.command("../bin/opsctl", name, "--help")
    assert done.returncode == 0 and "usage: " in done.stdout, done
