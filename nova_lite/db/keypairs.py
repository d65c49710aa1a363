"""Key pairs of users."""
import sqlalchemy as sa
from sqlalchemy import orm

from nova_lite import exception
from nova_lite.db import engine
from nova_lite.db.models.compute import KeyPair


def get(tx: orm.Session, user_id: str, name: str) -> KeyPair:
    """A user's key pair. Raises KeyPairNotFound."""
    found = tx.scalar(sa.select(KeyPair).where(KeyPair.user_id == user_id, KeyPair.name == name))
    if found is None:
        raise exception.KeyPairNotFound(name=name, user_id=user_id)
    return found


def find(tx: orm.Session, user_id: str, limit: int | None = None, marker: str | None = None) -> list[KeyPair]:
    """A user's key pairs by name; ``marker``: the name of the last one seen. Raises Invalid where there is none of that name."""
    query = sa.select(KeyPair).where(KeyPair.user_id == user_id)
    if marker is not None:
        if tx.scalar(sa.select(KeyPair.id).where(KeyPair.user_id == user_id, KeyPair.name == marker)) is None:
            raise exception.Invalid(f"Marker {marker} could not be found.")
        query = query.where(KeyPair.name > marker)
    return list(tx.scalars(query.order_by(KeyPair.name).limit(limit)))


def add(tx: orm.Session, key_pair: KeyPair) -> None:
    """Store a new key pair. Raises Conflict where the user has one of that name."""
    taken = tx.scalar(sa.select(KeyPair.id).where(KeyPair.user_id == key_pair.user_id, KeyPair.name == key_pair.name))
    try:
        if taken is None:
            tx.add(key_pair)
            tx.flush()
            return
    except sa.exc.IntegrityError as error:
        if not engine.is_duplicate(error):
            raise
    raise exception.Conflict(f"Key pair '{key_pair.name}' already exists.")


def delete(tx: orm.Session, user_id: str, name: str) -> None:
    """Delete a user's key pair. Raises KeyPairNotFound."""
    if tx.execute(sa.delete(KeyPair).where(KeyPair.user_id == user_id, KeyPair.name == name)).rowcount == 0:
        raise exception.KeyPairNotFound(name=name, user_id=user_id)
