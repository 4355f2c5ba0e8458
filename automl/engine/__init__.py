"""The search itself: the loop over one study, the phases of a search, runs, and what is stored of them."""
