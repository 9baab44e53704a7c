"""What is made of the published contract: packages for those who consume events, and for those who write them."""
