"""What training and serving share: the names of the model's files."""

SCIKIT_LEARN = "scikit_learn.joblib"
LIGHTGBM = "lightgbm.txt"
XGBOOST = "xgboost.json"
EXPECTED = "expected.json"
