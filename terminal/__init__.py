"""What our command lines share: options, progress, output, and how an error ends them."""
