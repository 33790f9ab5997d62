"""This machine: the container engine, processes, health and an image registry; no AWS, no SDK."""
