"""Users, sessions, invitations and tries as rows, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from connector.flow import team
from connector.flow.team import TeamError
from connector.model import Role, new_id, now
from connector.store import Store, invitations, sessions, tries, users
from connector.store.invitations import InvitationRow
from connector.store.sessions import SessionRow
from connector.store.users import PasskeyRow, UserRow


def row(email: str, role: Role = Role.VIEWER) -> UserRow:
    at = now()
    return UserRow(
        email=email, name="Ada", role=role, password="hashed", handle=new_id(), created_at=at, password_at=at
    )  # fmt: skip


def put(store: Store, *rows: UserRow) -> None:
    with store.write() as tx:
        for each in rows:
            assert users.add(tx, each)


def test_what_is_kept_is_read_again(store: Store) -> None:
    ada = row("ada@example.org", Role.OWNER)
    put(store, ada)
    with store.read() as tx:
        assert users.get(tx, ada.id) == users.by_email(tx, ada.email) == users.by_handle(tx, ada.handle) == ada
        assert users.all_(tx) == [ada]
        assert users.get(tx, "nobody") is None
        assert users.is_any(tx)
    assert "hashed" not in repr(ada)
    assert ada.handle not in repr(ada)


def test_nobody_has_an_e_mail_twice(store: Store) -> None:
    put(store, row("ada@example.org"))
    with store.write() as tx:
        assert not users.add(tx, row("ada@example.org"))
        assert len(users.all_(tx)) == 1


def test_a_change_may_ask_that_nothing_changed_meanwhile(store: Store) -> None:
    ada = row("ada@example.org")
    put(store, ada)
    with store.write() as tx:
        assert users.change(tx, ada.id, {"totp": "a"}, if_={"totp": None})
        assert not users.change(tx, ada.id, {"totp": "b"}, if_={"totp": None})
        assert users.change(tx, ada.id, {"totp": None}, if_={"totp": "a", "recovery": ""})


def test_two_owners_who_demote_each_other_at_once_leave_one(store: Store) -> None:
    rows = [row(f"n{number}@example.org", Role.OWNER) for number in range(2)]
    put(store, *rows)
    refused: list[str] = []
    ready = threading.Barrier(2)

    def demote(id_: str) -> None:
        ready.wait()
        try:
            team.set_role(store, id_, Role.VIEWER)
        except TeamError as error:
            refused.append(str(error))
        except Exception as error:  # a deadlock that the database resolved is a refusal too
            refused.append(type(error).__name__)

    threads = [threading.Thread(target=demote, args=(each.id,)) for each in rows]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(refused) == 1
    with store.read() as tx:
        assert [each.role for each in users.all_(tx)].count(Role.OWNER) == 1


def test_sessions_end_one_by_one_or_together(store: Store) -> None:
    ada, at = row("ada@example.org"), now()
    put(store, ada)

    def session(number: int) -> SessionRow:
        return SessionRow(
            digest=f"d{number}", user_id=ada.id, way="password", browser="", address="", created_at=at,
            seen_at=at - timedelta(days=number),
        )  # fmt: skip

    rows = [session(number) for number in range(4)]
    with store.write() as tx:
        for each in rows:
            sessions.add(tx, each)
    with store.write() as tx:
        assert sessions.find(tx, "d1") == rows[1]
        assert sessions.of(tx, ada.id) == sessions.all_(tx) == rows
        assert sessions.end(tx, rows[1].id, "somebody else") is None
        assert sessions.end(tx, rows[1].id, ada.id) == rows[1]
        assert sessions.sweep(tx, made_before=at - timedelta(days=9), seen_before=at - timedelta(days=2, hours=1)) == 1
        assert users.forget_doors(tx, ada.id, but=rows[0].id) == 1
        assert sessions.all_(tx) == rows[:1]


def test_an_invitation_takes_the_place_of_the_one_before(store: Store) -> None:
    at = now()

    def invitation(digest: str) -> InvitationRow:
        return InvitationRow(
            digest=digest, email="ada@example.org", role=Role.EDITOR, by="command", created_at=at,
            expires_at=at + timedelta(days=7),
        )  # fmt: skip

    first, second = invitation("a"), invitation("b")
    with store.write() as tx:
        invitations.put(tx, first)
        invitations.put(tx, second)
        assert invitations.all_(tx) == [second]
        assert invitations.find(tx, "a", at) is None
        assert invitations.find(tx, "b", at) == second
        assert invitations.find(tx, "b", at + timedelta(days=8)) is None
        assert invitations.remove(tx, second.id)
        assert not invitations.remove(tx, second.id)


def test_a_passkey_is_used_only_from_where_it_stood(store: Store) -> None:
    ada, at = row("ada@example.org"), now()
    key = PasskeyRow(id="k", user_id=ada.id, name="Phone", public_key=b"\x00\xff", sign_count=3, created_at=at)
    put(store, ada)
    with store.write() as tx:
        assert users.add_passkey(tx, key)
        assert not users.add_passkey(tx, key)
        assert users.find_passkey(tx, "k") == key
        assert users.second_factors(tx) == {ada.id}
        assert users.use_passkey(tx, "k", before=3, count=4, at=at)
        assert not users.use_passkey(tx, "k", before=3, count=4, at=at)
        assert users.remove_passkeys(tx, "somebody else", "k") == 0
        assert users.remove_passkeys(tx, ada.id) == 1


def test_a_sign_in_link_is_good_for_one_active_user_and_once(store: Store) -> None:
    ada, at = row("ada@example.org"), now()
    put(store, ada)
    with store.write() as tx:
        users.put_link(tx, "a", ada.id, at + timedelta(minutes=1))
        users.put_link(tx, "b", ada.id, at + timedelta(minutes=1))
        assert users.find_link(tx, "a", at) is None
        assert users.find_link(tx, "b", at) == ada
        assert users.find_link(tx, "b", at + timedelta(minutes=2)) is None
        users.change(tx, ada.id, {"active": False})
        assert users.find_link(tx, "b", at) is None
        assert users.spend_link(tx, "b")
        assert not users.spend_link(tx, "b")


def test_each_try_too_many_shuts_the_door_for_twice_as_long(store: Store) -> None:
    at, shut = now(), []
    with store.write() as tx:
        for _ in range(3):
            assert tries.charge(tx, "account:x", at, free=3) is None
        for _ in range(4):
            assert tries.charge(tx, "account:x", at, free=3) is None  # it is looked at, and shuts
            until = tries.charge(tx, "account:x", at, free=3)
            assert until is not None
            shut.append((until - at).total_seconds())
            at = until
        for _ in range(30):
            at += tries.LONGEST
            assert tries.charge(tx, "account:x", at, free=3) is None
        assert tries.charge(tx, "account:x", at + tries.LONGEST - timedelta(seconds=1), free=3) == at + tries.LONGEST
        assert tries.charge(tx, "account:y", at, free=3) is None
        tries.forgive(tx, "account:x")
        assert tries.charge(tx, "account:x", at, free=3) is None
        tries.sweep(tx, at + tries.KEPT + timedelta(seconds=1))
    assert shut == [2.0, 4.0, 8.0, 16.0]


def test_who_gets_in_takes_back_their_try(store: Store) -> None:
    at = now()
    with store.write() as tx:
        for _ in range(9):
            assert tries.charge(tx, "address:x", at, free=1) is None
            tries.refund(tx, "address:x")


@pytest.mark.parametrize("text", ["", "ada", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", "a\x00@b", "a" * 65 + "@b"])
def test_what_is_no_e_mail_is_refused(text: str) -> None:
    if text != "a@b\n":  # blanks around it are nobody's
        with pytest.raises(TeamError):
            team.email(text)
