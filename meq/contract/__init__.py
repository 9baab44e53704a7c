"""The contract's own commands: whether a change of the schemas may be published, and publishing it."""
