"""The operator's keys, from which the secrets of webhooks follow."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from flow_forecaster.persistence.webhooks import Salt
from flow_forecaster.services.signatures import SALT_BYTES, Secret, derived_secret, fingerprint

NO_KEY = b""
"""What stands for a key where the operator gave none: then the database alone tells the secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Keys, the newest first: new secrets follow from it, and older ones keep to the key that they were made with."""

    keys: Sequence[bytes] = field(default=(), repr=False)

    def new_salt(self) -> Salt:
        """Make what a new secret follows from."""
        key = self.keys[0] if self.keys else NO_KEY
        return Salt(key_name=fingerprint(key), salt=os.urandom(SALT_BYTES).hex())

    def secret(self, salt: Salt) -> Secret | None:
        """Find the secret of a salt; None if its key is no longer on the ring."""
        for key in (*self.keys, NO_KEY):
            if fingerprint(key) == salt.key_name:
                return derived_secret(key, bytes.fromhex(salt.salt))
        return None
