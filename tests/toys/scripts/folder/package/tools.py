from . import numbers


def scale(data, factor):
    return [numbers.ONE * factor * one for one in data]
