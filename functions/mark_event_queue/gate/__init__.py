"""The gate function: holds what breaks the contract, and what follows it, before anybody gets it."""
