"""The ledger: an append-only Merkle log of a node's events (RFC 6962) with signed checkpoints (C2SP).

``merkle`` holds the tree, ``note`` and ``checkpoint`` what is signed, ``proof`` the files that anyone can check,
``audit`` the comparison of a copy with the ledger, ``witness`` the second party, ``store`` the node's own tables,
``publisher`` when a node signs.
"""
