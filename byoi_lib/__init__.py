"""Bring your own inference to Amazon SageMaker.

Importing this package loads nothing else; each module is imported by name:
`from byoi_lib import hosting`.
"""
