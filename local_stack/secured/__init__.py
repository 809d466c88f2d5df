"""What a stack made with `up --secure` has besides: an authority, certificates, tokens, and who shows which."""
