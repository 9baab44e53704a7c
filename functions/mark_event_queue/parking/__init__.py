"""The parking function: holds back for one client what could not be delivered to it."""
