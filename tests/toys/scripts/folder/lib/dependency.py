EXTRA = [0]
