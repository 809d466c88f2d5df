"""Property tests have no deadline, since the machine is shared, and as many examples as a developer waits for."""

from hypothesis import settings

settings.register_profile("alpes", deadline=None, max_examples=50)
settings.load_profile("alpes")
