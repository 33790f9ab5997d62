import os

import bentoml
import numpy as np
from recurrent import Network

SIZE = int(os.environ["BATCH_SIZE"])


@bentoml.service(workers=int(os.environ["WORKERS"]), traffic={"max_concurrency": 1024})
class Recurrent:
    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api(route="/invocations", batchable=SIZE > 1, max_batch_size=max(SIZE, 2))
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.network.predict(rows)
