"""What operators do about orders: look one up, trace it, find what is lost, and put it right."""
