"""The suites: one module each, with a list called WORKLOADS."""
