"""Bans and invite links of the Telegram stand-in, as the Bot API has them."""

from __future__ import annotations

import time

import pytest
from fixture import Sandbox
from test_telegram import call, refused

GROUP, USER = -1001234567890, 7


def link(sandbox: Sandbox, **params: object) -> str:
    status, made, *_ = call(sandbox, "createChatInviteLink", chat_id=GROUP, **params)
    assert status == 200, made
    return made["invite_link"]


def test_a_single_use_link_lets_one_person_in(sandbox: Sandbox) -> None:
    made = link(sandbox, name="x" * 32, member_limit=1)
    assert sandbox.join(made, USER) == "" and sandbox.member(GROUP, USER) == "member"
    assert sandbox.join(made, 8) == "used"
    assert sandbox.links(GROUP)[0]["joined"] == [USER]


def test_an_expired_and_a_revoked_link_let_nobody_in(sandbox: Sandbox) -> None:
    made = link(sandbox, expire_date=int(time.time()) + 60)
    sandbox.clock(advance="61s")
    assert sandbox.join(made, USER) == "expired"
    made = link(sandbox)
    _, revoked, *_ = call(sandbox, "revokeChatInviteLink", chat_id=GROUP, invite_link=made)
    assert revoked["is_revoked"] and sandbox.join(made, USER) == "revoked"


def test_a_ban_removes_and_keeps_out(sandbox: Sandbox) -> None:
    assert sandbox.join(link(sandbox), USER) == ""
    assert call(sandbox, "banChatMember", chat_id=GROUP, user_id=USER)[1] is True
    assert call(sandbox, "getChatMember", chat_id=GROUP, user_id=USER)[1]["status"] == "kicked"
    assert sandbox.join(link(sandbox), USER) == "banned"
    call(sandbox, "unbanChatMember", chat_id=GROUP, user_id=USER, only_if_banned=True)
    assert sandbox.join(link(sandbox), USER) == ""


def test_unban_spares_a_member_only_when_told_to(sandbox: Sandbox) -> None:
    sandbox.join(link(sandbox), USER)
    call(sandbox, "unbanChatMember", chat_id=GROUP, user_id=USER, only_if_banned=True)
    assert sandbox.member(GROUP, USER) == "member"
    call(sandbox, "unbanChatMember", chat_id=GROUP, user_id=USER)
    assert sandbox.member(GROUP, USER) == "left"


@pytest.mark.parametrize("method, params, want", [
    ("createChatInviteLink", {"name": "x" * 33}, "invite link name is too long"),
    ("createChatInviteLink", {"member_limit": 100000}, "invalid member_limit specified"),
    ("createChatInviteLink", {"expire_date": 1}, "EXPIRE_DATE_INVALID"),
    ("createChatInviteLink", {"expire_date": 2**31}, "EXPIRE_DATE_INVALID"),
    ("createChatInviteLink", {"member_limit": 1, "creates_join_request": True},
     "member limit can't be specified for links requiring administrator approval"),
    ("revokeChatInviteLink", {}, "invite link must be non-empty"),
    ("revokeChatInviteLink", {"invite_link": "https://t.me/+x"}, "INVITE_HASH_EXPIRED"),
    ("banChatMember", {}, "invalid user_id specified"),
])
def test_wrong_requests_are_refused(sandbox: Sandbox, method: str, params: dict[str, object],
                                    want: str) -> None:
    assert refused(sandbox, method, chat_id=GROUP, **params) == f"400 Bad Request: {want}"


@pytest.mark.parametrize("status, want", [
    ("administrator", "user is an administrator of the chat"),
    ("creator", "can't remove chat owner"), ("unknown", "PARTICIPANT_ID_INVALID")])
def test_who_cannot_be_banned(sandbox: Sandbox, status: str, want: str) -> None:
    sandbox.set_member(GROUP, USER, status)
    assert refused(sandbox, "banChatMember", chat_id=GROUP, user_id=USER).endswith(want)


def test_rights_and_kinds_of_chats(sandbox: Sandbox) -> None:
    assert refused(sandbox, "banChatMember", chat_id=5, user_id=USER).endswith("in private chats")
    sandbox.chats([GROUP], type="group")
    assert "supergroup and channel chats only" in refused(sandbox, "unbanChatMember",
                                                          chat_id=GROUP, user_id=USER)
    sandbox.chats([GROUP], rights={"can_restrict_members": False, "can_invite_users": False})
    assert "not enough rights" in refused(sandbox, "banChatMember", chat_id=GROUP, user_id=USER)
    assert "not enough rights to manage chat invite link" in refused(
        sandbox, "createChatInviteLink", chat_id=GROUP)
