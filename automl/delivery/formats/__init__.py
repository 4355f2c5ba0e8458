"""Forms in which a trained network is written for people who do not have automl; one file a form."""
