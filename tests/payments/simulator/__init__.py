"""Tests of the PSP simulator: a real process, real HTTP, a real receiver of webhooks."""
