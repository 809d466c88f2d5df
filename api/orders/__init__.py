"""What the API knows of orders: commands that it sent, and what became of them."""
