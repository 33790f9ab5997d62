"""Wire formats: media types, request bodies to data, data to response bodies."""
