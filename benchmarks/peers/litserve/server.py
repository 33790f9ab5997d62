import joblib
import litserve as ls
import numpy as np


class IrisAPI(ls.LitAPI):
    def setup(self, device):
        self.model = joblib.load("model.joblib")

    def decode_request(self, request):
        return np.array(request["input"])

    def predict(self, x):
        return self.model.predict(x)

    def encode_response(self, output):
        return {"output": output.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(IrisAPI())
    server.run(port=8000)
