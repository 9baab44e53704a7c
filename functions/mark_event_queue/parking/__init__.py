"""The parking functions: hold events back for one client, and keep what follows behind them."""
