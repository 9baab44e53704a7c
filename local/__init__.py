"""The whole stack on this machine: the engine, the deployment, and what people run on them."""
