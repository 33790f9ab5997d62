"""Endpoints: from an endpoint configuration to healthy instances.

* `endpoints`: all endpoints of an emulator, and the life of each
* `variants`: the production variants of an endpoint configuration, and their instances
* `instances`: one instance, and the connections to it
* `model_source`, `container_logs`: the model data of an instance, and its log
"""
