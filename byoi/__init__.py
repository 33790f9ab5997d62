"""BYOI: bring your own inference to Amazon SageMaker, the tool one keeps whatever the model is."""
