"""What users may ask about their key pairs: import one, have one made, delete one.

``key_material`` is imported where it is used: an API that makes no keys need not keep X.509, 1 MB.
"""
from nova_lite import concurrency
from nova_lite.compute import quota
from nova_lite.db import keypairs
from nova_lite.db.models.compute import KeyPair


def add(deps, ctx, user_id: str, name: str, kind: str, public_key: str) -> KeyPair:
    """Import a public key (``ssh``) or certificate (``x509``). Raises Invalid, QuotaExceeded and Conflict."""
    from nova_lite.compute import key_material
    key_pair = KeyPair(user_id=user_id, name=name, type=kind, public_key=public_key, fingerprint=key_material.fingerprint(kind, public_key))
    with deps.db.write() as tx:
        quota.take_key_pair(tx, ctx.project_id, user_id, deps.quota_defaults)
        keypairs.add(tx, key_pair)
    return key_pair


def generate(deps, ctx, user_id: str, name: str, kind: str) -> tuple[KeyPair, str]:
    """Make a key pair; returns it and its private key, which is kept nowhere. Raises QuotaExceeded and Conflict."""
    from nova_lite.compute import key_material
    private_key, public_key = concurrency.run_native(key_material.generate, kind, user_id)
    return add(deps, ctx, user_id, name, kind, public_key), private_key


def delete(deps, user_id: str, name: str) -> None:
    """Delete a key pair; servers keep the public key that they were built with. Raises KeyPairNotFound."""
    with deps.db.write() as tx:
        keypairs.delete(tx, user_id, name)
        quota.give_back(tx, user_id, {"key_pairs": 1})
