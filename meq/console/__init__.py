"""The console: a web page on this machine, for whoever is on call, that shows a stack and does what commands do."""
