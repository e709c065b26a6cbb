"""`.env.example` is in step with the table of settings: every variable, with its default."""

import re

from harness import ROOT

ROW = re.compile(r'\{\s*"([A-Z0-9_]+)",\s*SETTING_([A-Z]+),\s*(NULL|"[^"]*")')
BOT = re.compile(r'BOT_TOKEN\("([A-Z]+)"')
SET_BY_OTHERS = {"OPS_NOW", "OPS_TICK"}


def test_every_setting_is_shown_with_its_default() -> None:
    table = (ROOT / "shared/settings.c").read_text()
    example = (ROOT / ".env.example").read_text()
    rows = ROW.findall(table)
    assert len(rows) > 40, "the table was not understood"
    for name, _, fallback in rows:
        if name in SET_BY_OTHERS:
            assert re.search(rf"\b{name}\b", example), name
        elif fallback == "NULL":
            assert re.search(rf"^{name}=", example, re.M), f"{name} has no default: show it set"
        else:
            value = re.escape(fallback.strip('"'))
            assert re.search(rf"^#?{name}={value}$", example, re.M), f"{name}={fallback}"
    for bot in BOT.findall(table)[1:]:
        assert f"TELEGRAM_BOT_TOKEN_{bot}=" in example, bot


def test_the_example_shows_nothing_else() -> None:
    table = (ROOT / "shared/settings.c").read_text()
    known = {name for name, _, _ in ROW.findall(table)}
    known |= {f"TELEGRAM_BOT_TOKEN_{bot}" for bot in BOT.findall(table)}
    shown = re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M)
    assert not set(shown) - known
    assert len(shown) == len(set(shown))
