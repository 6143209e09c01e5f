"""Rate limits and quotas, counted in memory or, for several processes and replicas, in Valkey."""
