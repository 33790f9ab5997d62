"""Endpoints: from a configuration to instances that are healthy.

* `fleets`: all endpoints of an emulator
* `endpoint`: one of them, and what becomes of it
* `fleet`, `variant`, `member`, `connections`: the instances of a configuration, of a variant,
  and one, and the way to it
* `model_source`, `container_logs`: what goes into an instance, and what it writes
"""
