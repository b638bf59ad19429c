"""What options switch on beside publishing."""
