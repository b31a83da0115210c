"""The node's signing key and the public keys that a reader trusts: ECDSA P-256.

A key is known by its ``kid``, the RFC 7638 thumbprint (SHA-256, base64url) of its public part.
"""

from edge.keys.public import PublicKey, load_public_keys, trust
from edge.keys.signing import FileKey, SigningKey, create_key, load_signing_key

__all__ = ["FileKey", "PublicKey", "SigningKey", "create_key", "load_public_keys", "load_signing_key", "trust"]
