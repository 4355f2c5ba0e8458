"""What can be proposed: the contract of spaces, declared fields, cells, and the two languages of algorithms."""
