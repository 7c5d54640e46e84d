"""Plan → Environment: lock, fetch, install, verify, switch. Built beside what is in use, journaled, resumable."""
