"""Password hashes: Argon2id through argon2-cffi. Called by ``identity.actions``.

Parameters are OWASP's first recommendation for Argon2id (19 MiB, 2 passes, 1 lane): 20 to 40 ms of one core a login. The work runs in native
threads, at most ``PARALLEL`` at once, so that a flood of logins costs 80 MiB at most and leaves the event loop alone.
"""
import argon2

from nova_lite import concurrency

TIME_COST = 2
MEMORY_KIB = 19 * 1024
LANES = 1
PARALLEL = 4


class Hasher:
    """Makes and checks password hashes."""

    def __init__(self, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB):
        self._argon2 = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=LANES)
        self._slots = concurrency.Semaphore(PARALLEL)
        self._decoy: str | None = None

    def hash(self, password: str) -> str:
        """The hash to store, with its salt and parameters in it."""
        return self._run(self._argon2.hash, password)

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` is the one hashed in ``stored``. None answers no, after the same work as a wrong password."""
        if stored is None:
            if self._decoy is None:
                self._decoy = self.hash("no user has this password")
            self._check(self._decoy, password)
            return False
        return self._check(stored, password)

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._run(self._argon2.verify, stored, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    def _run(self, function, *args):
        with self._slots:
            return concurrency.run_native(function, *args)
