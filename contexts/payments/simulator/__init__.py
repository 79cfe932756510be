"""Simulate a payment service provider: a separate process with a ledger of its own, warts included."""
