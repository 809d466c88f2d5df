"""The live page: what happens in the system now, read from topics and Pulsar's own figures while a page is open."""
