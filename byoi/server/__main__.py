"""`python -m byoi.server`: serve as the image does, with the settings of the environment."""

import os
import sys

from byoi.server import supervisor

if __name__ == "__main__":
    sys.exit(supervisor.main(sys.argv[1:], os.environ))
