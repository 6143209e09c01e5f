"""Rates and quotas: counted in memory, or in Valkey for several processes and replicas."""
