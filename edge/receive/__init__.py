"""The receiving end: events and their evidence from a broker into a store, each checked, each answered."""
