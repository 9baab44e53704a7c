"""The validator function: holds a batch against the contract and plans how the rest travels."""
