"""Set-up of the bucket: what uploads need of it before the first one."""
