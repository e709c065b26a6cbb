"""HTML mode of the Bot API: what is refused, and the text that is left.

The rules and the words are those of tdlib/td, MessageEntity.cpp (parse_html).
"""

from __future__ import annotations

import re

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a",
        "code", "pre", "blockquote", "tg-emoji"}
ENTITY = re.compile(r"&(lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
ATTRIBUTE = re.compile(r"""\s*([a-zA-Z-]+)(\s*=\s*("[^"]*"|'[^']*'|[^\s>"']+))?""")


class ParseError(Exception):
    pass


def decode(found: re.Match[str]) -> str:
    name = found[1]
    if name in NAMED:
        return NAMED[name]
    number = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return chr(number) if 0 < number < 0x110000 else found[0]


def offset(text: str, at: int) -> int:
    return len(text[:at].encode())


def start_tag(text: str, at: int) -> tuple[str, int]:
    """The tag's name and where its text begins."""
    name = re.compile(r"[^\s>]*").match(text, at + 1)[0]
    where = offset(text, at)
    tag = name.lower()
    end = at + 1 + len(name)
    if end >= len(text):
        raise ParseError(f"Unclosed start tag at byte offset {where}")
    if tag not in TAGS:
        raise ParseError(f'Unsupported start tag "{tag}" at byte offset {where}')
    while text[end:end + 1] not in (">", ""):
        found = ATTRIBUTE.match(text, end)
        if not found or not found[2]:
            if not text[end:].split(">")[0].strip():
                end = text.find(">", end)
                continue
            raise ParseError("Expected equal sign in declaration of an attribute of the tag"
                             f' "{tag}" at byte offset {where}')
        if tag == "span" and found[3].strip("\"'") != "tg-spoiler":
            raise ParseError(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
        end = found.end()
        while text[end:end + 1].isspace():
            end += 1
    if text[end:end + 1] != ">":
        raise ParseError(f"Unclosed start tag at byte offset {where}")
    return tag, end + 1


def end_tag(text: str, at: int, opened: list[str]) -> int:
    close = text.find(">", at)
    where = offset(text, at)
    if not opened:
        raise ParseError(f"Unexpected end tag at byte offset {where}")
    if close < 0:
        raise ParseError(f"Unclosed end tag at byte offset {where}")
    name = text[at + 2:close].strip().lower()
    if name and name != opened[-1]:
        raise ParseError(f'Unmatched end tag at byte offset {where}, expected "</{opened[-1]}>",'
                         f' found "</{name}>"')
    opened.pop()
    return close + 1


def parse_html(text: str) -> str:
    """Raises ParseError."""
    left: list[str] = []
    opened: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "<" and text[at + 1:at + 2] == "/":
            at = end_tag(text, at, opened)
        elif text[at] == "<":
            tag, at = start_tag(text, at)
            opened.append(tag)
        else:
            found = ENTITY.match(text, at)
            left.append(decode(found) if found else text[at])
            at = found.end() if found else at + 1
    if opened:
        raise ParseError(f'Can\'t find end tag corresponding to start tag "{opened[-1]}"')
    return "".join(left)
