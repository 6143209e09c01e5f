"""The bucket and the rights on it: what uploads need, what is there, and making it so."""
