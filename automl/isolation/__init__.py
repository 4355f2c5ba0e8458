"""Running other people's code: with a time limit, with a memory limit, without letting it end the process."""
