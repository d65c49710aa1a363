"""Password hashes: form, verdicts, and that many logins at once leave others running."""
from nova_lite import concurrency
from nova_lite.identity import passwords


def test_hash_is_argon2id_with_the_documented_parameters():
    assert passwords.Hasher().hash("secret").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_verdicts():
    hasher = passwords.Hasher(time_cost=1, memory_kib=64)
    stored = hasher.hash("secret")
    assert hasher.verify(stored, "secret")
    assert not hasher.verify(stored, "Secret")
    assert not hasher.verify(None, "secret")
    assert not hasher.verify("no hash at all", "secret")
    assert stored != hasher.hash("secret")


def test_others_run_while_passwords_are_hashed():
    hasher, turns = passwords.Hasher(), []
    tasks = [concurrency.spawn(hasher.hash, "secret") for _ in range(8)]
    while not all(task.done for task in tasks):
        turns.append(1)
        concurrency.sleep(0.001)
    assert len(turns) > 20
    assert len({task.wait() for task in tasks}) == 8
