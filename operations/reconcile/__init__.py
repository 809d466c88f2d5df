"""The conservation check against a live system: every accepted order has ended, is on its way, or is accounted for."""
