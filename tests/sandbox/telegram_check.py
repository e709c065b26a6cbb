"""What the Bot API refuses before it looks at the chat: parameters, one function each, all pure."""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from telegram_html import ParseError, parse_html

TEXT_MAX, CAPTION_MAX, MESSAGES_MAX, CALLBACK_MAX = 4096, 1024, 100, 64
URL = re.compile(r"https?://[^\s/]+\.[^\s]+|https?://(127\.0\.0\.1|localhost)[^\s]*|tg://\S+")


class Refusal(Exception):
    """An answer with ok=false."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


def bad(description: str) -> Refusal:
    return Refusal(400, f"Bad Request: {description}")


def integer(value: Any) -> int | None:
    """Numbers come as JSON numbers or as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value):
        return int(value)
    return None


def chat_id(params: Mapping[str, Any]) -> int | str:
    value = params.get("chat_id")
    if value in (None, ""):
        raise bad("chat_id is empty")
    if isinstance(value, str) and value.startswith("@"):
        return value
    number = integer(value)
    if number is None or abs(number) > 2 ** 53:
        raise bad("chat not found")
    return number


def visible_text(text: Any, mode: Any, most: int, too_long: str) -> str:
    if not isinstance(text, str):
        text = ""
    if mode not in (None, "", "HTML", "Markdown", "MarkdownV2"):
        raise bad("unsupported parse_mode")
    if mode == "HTML":
        try:
            text = parse_html(text)
        except ParseError as problem:
            words = str(problem)
            raise bad(f"can't parse entities: {words[0]}{words[1:]}") from None
    if len(text) > most:
        raise bad(too_long)
    return text


def message_text(params: Mapping[str, Any]) -> str:
    text = visible_text(params.get("text"), params.get("parse_mode"), TEXT_MAX,
                        "message is too long")
    if not text.strip():
        raise bad("message text is empty")
    return text


def callback_answer(params: Mapping[str, Any]) -> None:
    number, text = params.get("callback_query_id"), params.get("text", "")
    if not isinstance(number, str) or not re.fullmatch(r"\d{1,20}", number):
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if not isinstance(text, str) or len(text) > 200:
        raise bad("MESSAGE_TOO_LONG")


def photo(params: Mapping[str, Any]) -> None:
    value = params.get("photo")
    if not isinstance(value, str) or not value:
        raise bad("there is no photo in the request")
    if "://" in value:
        if not URL.fullmatch(value):
            raise bad("wrong HTTP URL specified")
    elif not re.fullmatch(r"[\w-]{20,}", value):
        raise bad("wrong file identifier/HTTP URL specified")


def button(value: Any) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str) or not value["text"]:
        raise bad("can't parse inline keyboard button: Field \"text\" must be of type String")
    if "url" in value:
        if not URL.fullmatch(str(value["url"])):
            raise bad(f"inline keyboard button URL '{value['url']}' is invalid: Wrong HTTP URL")
    elif "callback_data" in value:
        if not 1 <= len(str(value["callback_data"]).encode()) <= CALLBACK_MAX:
            raise bad("BUTTON_DATA_INVALID")
    elif "web_app" not in value:
        raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline"
                  " keyboard")


def reply_markup(params: Mapping[str, Any]) -> Any:
    markup = params.get("reply_markup")
    if isinstance(markup, str) and markup:
        try:
            markup = json.loads(markup)
        except ValueError:
            raise bad("can't parse reply keyboard markup JSON object") from None
    if markup in (None, ""):
        return None
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    rows = markup.get("inline_keyboard")
    if rows is not None:
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise bad("field \"inline_keyboard\" of the InlineKeyboardMarkup must be an Array of"
                      " Arrays")
        for row in rows:
            for each in row:
                button(each)
    return markup


def reply_to(params: Mapping[str, Any]) -> tuple[int, bool] | None:
    """The message replied to, and whether it may be missing."""
    given = params.get("reply_parameters")
    if isinstance(given, str) and given:
        try:
            given = json.loads(given)
        except ValueError:
            raise bad("can't parse reply parameters JSON object") from None
    if isinstance(given, dict):
        number, lenient = integer(given.get("message_id")), given.get("allow_sending_without_reply")
    else:
        number, lenient = (integer(params.get("reply_to_message_id")),
                           params.get("allow_sending_without_reply"))
    return (number, lenient in (True, "true", "1")) if number else None


def message_ids(params: Mapping[str, Any]) -> list[int]:
    given = params.get("message_ids")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, list) or not given:
        raise bad("message identifiers are not specified")
    if len(given) > MESSAGES_MAX:
        raise bad("too many message identifiers specified")
    numbers = [integer(each) for each in given]
    if None in numbers:
        raise bad("message identifiers must be integers")
    return numbers


def message_id(params: Mapping[str, Any]) -> int:
    number = integer(params.get("message_id"))
    if not number or number <= 0:
        raise bad("message identifier is not specified")
    return number


def user_id(params: Mapping[str, Any]) -> int:
    number = integer(params.get("user_id"))
    if not number or number <= 0:
        raise bad("invalid user_id specified")
    return number
