"""What `alpes doctor` looks at: each check reads one part of the system, and changes nothing."""
