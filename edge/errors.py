"""One error tree. Each message is one sentence that says what is wrong and what to do about it."""


class StoplineError(Exception):
    """Anything this program reports to its user in one sentence; the command line ends with exit code 2."""


class ConfigError(StoplineError):
    """A node or site file that cannot be used."""


class SourceError(StoplineError):
    """A video, camera or lamp source that cannot be opened or has failed."""


class NodeError(StoplineError):
    """A node at work that cannot go on and may when it is started again; the command line ends with exit code 1."""


class ModelError(StoplineError):
    """A detector model that cannot be loaded or does not fit its description."""


class KeyFileError(StoplineError):
    """A signing or verification key that cannot be read, is of the wrong kind or is unsafe."""


class TpmError(KeyFileError):
    """A TPM that is not there, does not answer or cannot now; the same key may sign when it is asked again."""


class EventError(StoplineError):
    """An event that is malformed or whose signature does not hold."""


class OutboxError(StoplineError):
    """An outbox that cannot be opened, written or read."""


class BrokerError(StoplineError):
    """A broker that cannot be reached or refuses this node."""


class SubscriptionError(BrokerError):
    """A broker that lets this client in but not subscribe; ``refused`` names the filter and the broker's reason."""

    def __init__(self, message: str, refused: str = "") -> None:
        super().__init__(message)
        self.refused = refused


class EvidenceError(StoplineError):
    """Evidence that cannot be made, sealed or put together again."""


class LedgerError(StoplineError):
    """A checkpoint, proof or list of leaf hashes that cannot be used, or one that contradicts what is known."""


class StoreError(StoplineError):
    """A receiver's store that cannot be opened, written or read."""
