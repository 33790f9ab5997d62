"""What an instance runs on: the seam, and its two fillings.

* `runner`: the seam
* `containers`, `serving_engine`: any image, in the container engine
* `processes`: this project's own server, without one
"""
