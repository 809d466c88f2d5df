"""The tests of the secured stack; a package, as no other layer is, so that what has its scope ends after its tests."""
