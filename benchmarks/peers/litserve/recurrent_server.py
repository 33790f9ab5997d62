import os

import litserve as ls
import numpy as np
from recurrent import Network

SIZE = int(os.environ["BATCH_SIZE"])


class RecurrentAPI(ls.LitAPI):
    def setup(self, device):
        self.network = Network()

    def decode_request(self, request):
        return np.array(request["input"])

    def predict(self, x):
        # Without batching one request; with it an array of all, which `batch` has made.
        return self.network.predict(x if SIZE > 1 else x[None])

    def encode_response(self, output):
        return {"output": np.ravel(output).tolist()}


if __name__ == "__main__":
    wait_s = 0.005 if SIZE > 1 else 0.0
    api = RecurrentAPI(max_batch_size=SIZE, batch_timeout=wait_s, api_path="/invocations")
    workers = int(os.environ["WORKERS"])
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=workers, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
