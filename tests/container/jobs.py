"""Training jobs, run by an image as SageMaker runs them."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from containers import mounted

WORDS = ["the", "film", "was", "great", "lovely", "dull", "awful", "plot", "cast", "and"]
HYPERPARAMETERS = {"epochs": "2", "embedding_dim": "8", "feed_forward_dim": "8", "seed": "3"}


@dataclass(frozen=True)
class Job:
    """What a training job in the tensorflow image left behind.

    Attributes:
        status: Exit status.
        log: What it wrote.
        directory: Its /opt/ml.
    """

    status: int
    log: str
    directory: Path

    @property
    def model_dir(self) -> Path:
        return self.directory / "model"


def write_reviews(channel: Path) -> None:
    """Write 240 reviews of made-up ranks as Keras's imdb.npz lays them out, and the words."""
    channel.mkdir(parents=True)
    random = np.random.default_rng(1)
    parts = {}
    for part in ("train", "test"):
        labels = random.integers(0, 2, 120)
        telling = {1: [4, 5], 0: [6, 7]}
        ranks = [
            [*random.choice([1, 2, 3, 8, 9, 10], 5).tolist(), int(random.choice(telling[label]))]
            for label in labels.tolist()
        ]
        rows = np.empty(len(ranks), object)
        rows[:] = ranks
        parts |= {f"x_{part}": rows, f"y_{part}": labels}
    np.savez(channel / "imdb.npz", **parts)
    index = {word: rank for rank, word in enumerate(WORDS, 1)}
    (channel / "imdb_word_index.json").write_text(json.dumps(index))


def run_job(image: str, directory: Path, hyperparameters: object, *options: str) -> Job:
    """Run a training job to its end."""
    configuration = directory / "input" / "config"
    configuration.mkdir(parents=True, exist_ok=True)
    text = hyperparameters if isinstance(hyperparameters, str) else json.dumps(hyperparameters)
    (configuration / "hyperparameters.json").write_text(text)
    mounts = mounted(directory, "/opt/ml", "rw")
    command = ["docker", "run", "--rm", "--network", "none", *mounts, *options, image, "train"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=300
    )
    return Job(done.returncode, done.stdout.decode(errors="replace"), directory)
