"""From a finished study to the network in hand: its trained weights, training again, exports with a self-check."""
