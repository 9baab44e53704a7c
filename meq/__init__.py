"""What operators do with a running stack, local or on AWS: see what is held back, and bring it back."""
