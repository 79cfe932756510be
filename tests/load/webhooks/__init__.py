"""Many webhooks to many endpoints, some of them slow or dead, and how long the good ones wait for theirs."""
