"""`make run` and `make reset`: the whole system on one machine, from nothing, and away again."""
