"""What operators do with a running stack, local or on AWS: the command `meq`."""
